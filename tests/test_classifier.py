"""`AutoencoderClassifier` keeps scikit-learn's conventions, and what it has learnt."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gpuae
from gpuae import Autoencoder, AutoencoderClassifier
from gpuae.errors import ConfigError, InputError

FEW = {"head_epochs": 3, "epochs": 3}
"""Passes that show that it works."""


def small(**settings):
    return AutoencoderClassifier(Autoencoder(hidden=3, epochs=2, validation=0), **settings)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data.astype(np.uint8), data.target


@pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")  # the checks' rows are narrow
@parametrize_with_checks(
    [small(head_epochs=30, epochs=30, validation=0, optimizer="lbfgs", weight_decay=1e-3)],
    expected_failed_checks=lambda _: dict.fromkeys(
        (
            "check_sample_weight_equivalence_on_dense_data",
            "check_sample_weight_equivalence_on_sparse_data",
        ),
        "steps of the autoencoder draw each of some rows once, however much it weighs",
    ),
)
def test_scikit_learns_conventions_hold(estimator, check):
    check(estimator)


def test_it_tells_digits_apart_that_it_was_not_trained_on(digits):
    x, y = digits
    known = AutoencoderClassifier(Autoencoder(hidden=(64, 16))).fit(x[:1200], y[:1200])
    assert known.score(x[1200:], y[1200:]) > 0.9
    assert known.validation_accuracy_ > 0.93
    assert known.predict_proba(x[1200:]).shape == (597, 10)


def test_an_encoder_that_was_fitted_on_more_rows_is_used_as_it_is(digits):
    x, y = digits
    everything = Autoencoder(hidden=(64, 16), epochs=20, validation=0).fit(x)
    before = everything.model_.parameters.copy()
    known = AutoencoderClassifier(everything, prefit=True, epochs=0).fit(x[:300], y[:300])
    np.testing.assert_array_equal(everything.model_.parameters, before)
    assert known.autoencoder_ is everything
    np.testing.assert_array_equal(known.transform(x), everything.transform(x))
    assert known.score(x[300:], y[300:]) > 0.75


def test_fine_tuning_changes_the_codes_and_helps(digits):
    x, y = digits
    first = Autoencoder(hidden=(64, 16), epochs=20, validation=0).fit(x[:1200])
    frozen = AutoencoderClassifier(first, prefit=True, epochs=0).fit(x[:1200], y[:1200])
    whole = AutoencoderClassifier(first, prefit=True).fit(x[:1200], y[:1200])
    assert whole.score(x[1200:], y[1200:]) > frozen.score(x[1200:], y[1200:]) + 0.02
    assert not np.array_equal(whole.transform(x), frozen.transform(x))


@pytest.mark.parametrize("kind", [int, str, float, bool, object])
def test_labels_keep_their_names(kind):
    x, y = load_iris(return_X_y=True)
    labels = np.array([f"class {i}" for i in y], object) if kind is object else (y % 2).astype(kind)
    known = small(**FEW).fit(x, labels)
    np.testing.assert_array_equal(known.classes_, np.unique(labels))
    assert set(known.predict(x)) <= set(labels)


def test_it_comes_back_from_a_file_as_it_was(digits, tmp_path):
    x, y = digits
    names = np.array([f"digit {i}" for i in y])
    known = small(**FEW, class_weight="balanced").fit(x, names)
    known.save(tmp_path / "known.h5")
    again = gpuae.load(tmp_path / "known.h5")
    assert isinstance(again, AutoencoderClassifier)
    np.testing.assert_array_equal(again.predict(x), known.predict(x))
    np.testing.assert_array_equal(again.predict_proba(x), known.predict_proba(x))
    assert again.class_weight == "balanced"
    assert again.get_params()["epochs"] == 3


def test_it_stands_in_pipelines_and_cross_validation():
    x, y = load_iris(return_X_y=True)
    line = make_pipeline(StandardScaler(), small())
    assert cross_val_score(line, x, y, cv=3).min() > 0.8


def test_classes_that_weigh_more_are_found_more_often():
    x, y = load_iris(return_X_y=True)
    few = np.concatenate([np.arange(100), np.arange(100, 110)])
    found = {}
    for weight in (None, "balanced", {2: 1000.0}):
        known = small(class_weight=weight, epochs=0, validation=0, seed=1).fit(x[few], y[few])
        found[str(weight)] = (known.predict(x) == 2).sum()
    assert found["None"] < found["balanced"] < found["{2: 1000.0}"]
    with pytest.raises(ConfigError, match="class_weight: 7 is none of the classes 0, 1, 2"):
        small(class_weight={7: 2.0}).fit(x, y)


def test_the_same_seed_gives_the_same_classifier(digits):
    x, y = digits
    one, two = (small(**FEW, dropout=0.2).fit(x[:200], y[:200]) for _ in range(2))
    np.testing.assert_array_equal(one.model_.parameters, two.model_.parameters)


def test_missing_values_are_filled_as_the_autoencoder_does():
    x, y = load_iris(return_X_y=True)
    x[3, 1] = np.nan
    known = AutoencoderClassifier(Autoencoder(hidden=3, missing="mean", epochs=2), **FEW).fit(x, y)
    assert known.predict(x).shape == (150,)
    with pytest.raises(InputError, match="missing"):
        small(**FEW).fit(x, y)


@pytest.mark.parametrize(
    ("kind", "weight"), [(float, {0.0: 3.0}), (bool, {True: 3.0}), (str, {"1": 3.0})]
)
def test_weights_are_of_labels_as_they_were_given(kind, weight):
    x, y = load_iris(return_X_y=True)
    labels = (y % 2).astype(kind)
    known = small(**FEW, class_weight=weight).fit(x, labels)
    assert sorted(known.model_.classification.config.class_weight.values()) == [3.0]


def test_an_encoder_that_is_fitted_wants_its_own_columns():
    frame = load_iris(as_frame=True)
    first = Autoencoder(hidden=3, epochs=2, validation=0).fit(frame.data)
    turned = frame.data[frame.data.columns[::-1]]
    with pytest.raises(ValueError, match="feature names"):
        AutoencoderClassifier(first, prefit=True, **FEW).fit(turned, frame.target)


def test_a_classifier_from_a_file_can_be_fitted_again_as_it_was(digits, tmp_path):
    x, y = digits
    small(**FEW).fit(x[:200], y[:200]).save(tmp_path / "known.h5")
    again = gpuae.load(tmp_path / "known.h5")
    widths = again.model_.config.hidden
    assert again.fit(x[:200], y[:200]).model_.config.hidden == widths


def test_ctrl_c_while_the_autoencoder_is_trained_ends_it(digits, monkeypatch):
    x, y = digits

    def interrupted(self, X, y=None, sample_weight=None):
        self.interrupted_ = True
        return self

    monkeypatch.setattr(Autoencoder, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(**FEW).fit(x, y)


def test_what_makes_no_sense_is_refused(digits):
    x, y = digits
    with pytest.raises(ConfigError, match="momentum"):
        small(momentum=0.5).fit(x, y)
    with pytest.raises(InputError, match="one class"):
        small().fit(x, np.zeros(len(x), int))
    with pytest.raises(NotFittedError):
        AutoencoderClassifier(Autoencoder(), prefit=True).fit(x, y)
    with pytest.raises(NotFittedError):
        small().predict(x)
    with pytest.raises(ConfigError, match="needs an Autoencoder, not AutoencoderClassifier"):
        AutoencoderClassifier(small()).fit(x, y)
    with pytest.raises(ConfigError, match="dropout has 3 values"):
        small(dropout=(0.1, 0.2, 0.3)).fit(x, y)
