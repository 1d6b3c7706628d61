"""`sample_weight` of the estimators, by scikit-learn's own checks and our own."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpuae import Autoencoder, AutoencoderClassifier, OutlierDetector
from gpuae.errors import InputError
from gpuae.storage.provenance.lineage import Record

pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

WHOLE = {"optimizer": "lbfgs", "validation": 0.0, "folds": 1, "dtype": "float64", "device": "cpu"}
"""All rows at once and none held out: then the number of rows decides nothing."""
QUICK = {"hidden": 2, "device": "cpu", "epochs": 3, "scale": "standard"}
FULL_BATCH = Autoencoder(hidden=2, activation="identity", epochs=4, scale="standard", **WHOLE)
CLASSES = AutoencoderClassifier(
    Autoencoder(hidden=2, activation="identity", epochs=1, scale="standard", **WHOLE),
    head_epochs=3,
    epochs=0,
    optimizer="lbfgs",
    validation=0.0,
    device="cpu",
)


@parametrize_with_checks([FULL_BATCH])
def test_scikit_learn_finds_that_weights_are_repetitions(estimator, check):
    if "sample_weight" in check.func.__name__:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the checks' own
            check(estimator)


@pytest.fixture
def x():
    random = np.random.default_rng(3)
    return random.standard_normal((40, 2)) @ random.standard_normal((2, 5)) + random.random((40, 5))


@pytest.fixture
def times():
    return np.random.default_rng(4).integers(0, 4, 40)


def test_a_classifier_takes_weights_as_repetitions(x, times):
    y = np.where(x[:, 0] + np.random.default_rng(0).standard_normal(40) > 0, "up", "down")
    for balance in (None, "balanced", {"up": 3.0}):
        CLASSES.set_params(class_weight=balance)
        weighted = CLASSES.fit(x, y, sample_weight=times).predict_proba(x)
        repeated = CLASSES.fit(np.repeat(x, times, axis=0), np.repeat(y, times)).predict_proba(x)
        np.testing.assert_allclose(weighted, repeated, atol=1e-5)
    CLASSES.set_params(class_weight=None)


def test_a_class_of_weight_0_is_not_learnt(x):
    y = np.arange(40) % 3
    known = CLASSES.fit(x, y, sample_weight=(y < 2).astype(float))
    assert known.classes_.tolist() == [0, 1]
    assert known.predict_proba(x).shape == (40, 2)


@pytest.mark.parametrize("kind", [Autoencoder, OutlierDetector])
def test_a_row_of_weight_0_is_left_out_bit_by_bit(kind, x, times):
    given = {"hidden": 2, "device": "cpu"}
    given |= {"epochs": 4} if kind is Autoencoder else {"settings": {"epochs": 4}, "trim": 0.1}
    weighted = kind(**given).fit(x, sample_weight=times)
    there = kind(**given).fit(x[times > 0], sample_weight=times[times > 0])
    np.testing.assert_array_equal(weighted.score_samples(x), there.score_samples(x))
    if kind is OutlierDetector:
        assert weighted.threshold_ == there.threshold_


def test_a_detector_takes_contamination_as_a_share_of_the_weight(x):
    settings = {"epochs": 2}
    weights = np.ones(40)
    first = OutlierDetector(2, contamination=0.1, settings=settings, device="cpu").fit(x)
    weights[first.labels_ == 1] = 20.0
    second = OutlierDetector(2, contamination=0.1, settings=settings, device="cpu")
    second.fit(x, sample_weight=weights)
    assert second.labels_.sum() < first.labels_.sum()
    assert len(second.decision_scores_) == 40


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_portions_are_learnt_from_with_their_weights(x, scale):
    """All rows in one step of each portion; a portion of weight 2 counts twice as much."""
    given = {"hidden": 2, "device": "cpu", "optimizer": "sgd", "learning_rate": 0.01}
    given |= {"init": "glorot", "scale": scale, "dtype": "float64", "batch_size": 80}
    plain, equal, double = (Autoencoder(**given) for _ in range(3))
    for own, weights in ((plain, None), (equal, np.full(40, 7.0)), (double, np.full(40, 7.0))):
        own.partial_fit(x, sample_weight=weights)
    np.testing.assert_allclose(plain.model_.parameters, equal.model_.parameters, rtol=1e-12)
    before = plain.model_.parameters
    for own, weights in ((plain, None), (equal, np.full(40, 7.0)), (double, np.full(40, 21.0))):
        own.partial_fit(x, sample_weight=weights)
    np.testing.assert_allclose(plain.model_.parameters, equal.model_.parameters, rtol=1e-12)
    steps = [own.model_.parameters - before for own in (plain, double)]
    np.testing.assert_allclose(steps[1], 1.5 * steps[0], rtol=1e-9, atol=1e-15)


def test_portions_of_weight_0_change_nothing(x):
    one, other = (Autoencoder(**QUICK) for _ in range(2))
    zero = np.r_[np.ones(30), np.zeros(10)]
    one.partial_fit(x, sample_weight=zero)
    other.partial_fit(x[:30], sample_weight=np.ones(30))
    np.testing.assert_array_equal(one.model_.parameters, other.model_.parameters)


def test_a_single_number_is_the_weight_of_all_rows(x):
    plain, same = Autoencoder(**QUICK).fit(x), Autoencoder(**QUICK).fit(x, sample_weight=2.5)
    np.testing.assert_array_equal(plain.model_.parameters, same.model_.parameters)


def test_a_pipeline_hands_weights_on(x, times):
    given = {"autoencoder__sample_weight": times}
    whole = make_pipeline(StandardScaler(), Autoencoder(**QUICK)).fit(x, **given)
    alone = Autoencoder(**QUICK).fit(StandardScaler().fit_transform(x), sample_weight=times)
    np.testing.assert_array_equal(whole[-1].model_.parameters, alone.model_.parameters)


def test_a_model_says_that_rows_had_weights(x, times):
    plain = Autoencoder(**QUICK).fit(x)
    weighted = Autoencoder(**QUICK).fit(x, sample_weight=times)
    options = [Record.of(own.model_.attributes, "").options for own in (plain, weighted)]
    assert "weights_sha256" not in options[0]
    assert len(options[1]["weights_sha256"]) == 64


BAD = {
    "negative": (-np.ones(40), "the weight of row 1 is -1"),
    "infinite": ([np.inf] * 40, "the weight of row 1 is inf"),
    "zero": (np.zeros(40), "all weights are zero"),
    "short": (np.ones(3), "has 3 weights for 40 rows"),
    "matrix": (np.ones((40, 2)), "has shape"),
    "text": (["a"] * 40, "holds text, no numbers"),
    "complex": (np.ones(40) * 1j, "holds complex128, no numbers"),
    "single": (-1.0, "the weight of row 1 is -1"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_is_no_weight_is_refused(x, kind, method):
    values, words = BAD[kind]
    with pytest.raises(InputError, match=f"sample_weight: .*{words}"):
        getattr(Autoencoder(**QUICK), method)(x, sample_weight=values)


@pytest.mark.parametrize("estimator", [OutlierDetector(2), CLASSES])
def test_all_estimators_refuse_it(x, estimator):
    with pytest.raises(InputError, match="sample_weight: has 3 weights for 40 rows"):
        estimator.fit(x, np.arange(40) % 2, sample_weight=[1, 2, 3])
