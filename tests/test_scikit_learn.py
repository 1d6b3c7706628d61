"""The estimators among scikit-learn's own: tables, searches, pickles, seeds and warm starts."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gpuae import Autoencoder, AutoencoderClassifier, OutlierDetector
from gpuae.errors import ConfigError, DeviceError, GpuaeWarning
from gpuae.training.thread_pool import available_cores

pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

QUICK = {"hidden": 2, "epochs": 2, "batch_size": 20, "folds": 1, "device": "cpu"}
KINDS = [
    Autoencoder(**QUICK),
    AutoencoderClassifier(Autoencoder(**QUICK), head_epochs=1, epochs=1, device="cpu"),
    OutlierDetector(hidden=2, device="cpu", settings={"epochs": 1, "folds": 1}),
]


@pytest.fixture
def x(low_rank):
    return 5 + 3 * low_rank(80, 5)


@pytest.fixture
def y():
    return np.arange(80) % 2


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return request.param


@pytest.fixture
def table(library, x):
    frames = pytest.importorskip(library)
    return frames.DataFrame(dict(zip("abcde", x.T, strict=True)))


# Tables


def test_codes_come_as_tables_where_these_are_asked_for(library, table, x):
    model = Autoencoder(**QUICK).set_output(transform=library)
    codes = model.fit_transform(table)
    assert type(codes).__module__.partition(".")[0] == library
    assert list(codes.columns) == ["autoencoder0", "autoencoder1"]
    assert list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    np.testing.assert_array_equal(np.asarray(codes), Autoencoder(**QUICK).fit(x).transform(x))


def test_names_are_kept_and_their_order_is_checked(table):
    model = Autoencoder(**QUICK).fit(table)
    assert list(model.feature_names_in_) == list("abcde")
    assert model.model_.feature_names == tuple("abcde")
    with pytest.raises(ValueError, match="same order"):
        model.transform(table[["b", "a", "c", "d", "e"]])


def test_some_columns_of_a_table_go_through_it(library, table):
    steps = [("code", Autoencoder(**QUICK), ["a", "b", "c"]), ("rest", "passthrough", ["e"])]
    made = ColumnTransformer(steps).set_output(transform=library).fit_transform(table)
    assert list(made.columns) == ["code__autoencoder0", "code__autoencoder1", "rest__e"]


# Searches and processes


def test_a_search_in_two_processes_finds_what_one_finds(x, y):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(**QUICK), LogisticRegression())
    grid = {"autoencoder__hidden": [1, 2]}
    alone, together = (GridSearchCV(pipeline, grid, cv=2, n_jobs=jobs).fit(x, y) for jobs in (1, 2))
    scores = "mean_test_score"
    np.testing.assert_array_equal(together.cv_results_[scores], alone.cv_results_[scores])
    assert cross_val_score(pipeline, x, y, cv=2).shape == (2,)


def test_processes_of_joblib_share_the_cores():
    """However many of them there are, their threads are no more than the cores."""
    cores = joblib.Parallel(n_jobs=2)(joblib.delayed(available_cores)() for _ in range(2))
    assert sum(cores) <= max(2, available_cores())


@pytest.mark.parametrize("estimator", KINDS, ids=lambda own: type(own).__name__)
def test_a_fitted_one_goes_through_pickle_and_joblib(estimator, x, y, tmp_path):
    fitted = clone(estimator).fit(x, y)
    method = "score_samples" if isinstance(fitted, OutlierDetector) else "transform"
    joblib.dump(fitted, tmp_path / "m.joblib")
    for read in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "m.joblib")):
        np.testing.assert_array_equal(getattr(read, method)(x), getattr(fitted, method)(x))


def test_weights_are_routed_to_the_steps_that_ask_for_them(x):
    times = np.arange(80) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = Autoencoder(**QUICK).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipeline.fit(x, sample_weight=times)
        direct = Autoencoder(**QUICK).fit(StandardScaler().fit_transform(x), sample_weight=times)
    np.testing.assert_array_equal(pipeline[-1].model_.parameters, direct.model_.parameters)


# Seeds


@pytest.mark.parametrize("estimator", KINDS, ids=lambda own: type(own).__name__)
def test_random_state_overrides_the_seed(estimator, x, y):
    def parameters(**settings):
        return clone(estimator).set_params(**settings).fit(x, y).model_.parameters

    by_seed = parameters(seed=3)
    np.testing.assert_array_equal(parameters(random_state=3, seed=1), by_seed)
    drawn, again = (parameters(random_state=np.random.RandomState(5)) for _ in range(2))
    np.testing.assert_array_equal(drawn, again)
    assert not np.array_equal(drawn, by_seed)


def test_a_random_state_gives_each_fit_another_seed(x):
    model = Autoencoder(**QUICK, random_state=np.random.RandomState(0))
    assert model.fit(x).config_.seed != model.fit(x).config_.seed


@pytest.mark.parametrize("wrong", [-1, 1.5, "3", True])
def test_what_is_no_random_state_is_refused(x, wrong):
    with pytest.raises(ConfigError, match=r"random_state: .* give an integer of 0 or more"):
        Autoencoder(**QUICK, random_state=wrong).fit(x)


# Warm starts


def test_a_warm_start_begins_with_the_weights_of_the_fit_before(x):
    settings = QUICK | {"validation": 0.0, "init": "glorot"}
    model = Autoencoder(**settings, warm_start=True).fit(x)
    first = model.model_.parameters
    np.testing.assert_array_equal(Autoencoder(**settings).fit(x).model_.parameters, first)
    model.set_params(epochs=0).fit(x)
    np.testing.assert_array_equal(model.model_.parameters, first)
    losses = [model.set_params(epochs=3).fit(x).loss_ for _ in range(4)]
    assert losses[3] < losses[0] / 2
    assert model.n_iter_ == 3


def test_a_warm_start_of_other_rows_learns_their_scaling(x):
    model = Autoencoder(**QUICK, warm_start=True, scale="standard").fit(x)
    model.set_params(epochs=0, validation=0.0).fit(10 * x)
    np.testing.assert_allclose(model.model_.preprocess.center, (10 * x).mean(axis=0))


def test_a_warm_start_needs_the_same_network(x):
    model = Autoencoder(**QUICK, warm_start=True).fit(x)
    with pytest.raises(ConfigError, match=r"warm_start: .* 5 columns and X has 4"):
        model.fit(x[:, :4])
    with pytest.raises(ConfigError, match=r"warm_start: .* hidden=\(64, 2\) .* \(3,\)"):
        model.set_params(hidden=3).fit(x)


# Devices


def test_a_model_of_a_gpu_is_used_where_there_is_none(x):
    known = Autoencoder(**QUICK).fit(x)
    moved = pickle.loads(pickle.dumps(known)).set_params(device="cuda:97")
    with pytest.warns(
        GpuaeWarning, match="device=cuda:97: .* this time it was device=auto"
    ) as told:
        codes = moved.transform(x)
    assert len(told) == 1
    np.testing.assert_array_equal(codes, known.set_params(device="auto").transform(x))
    with pytest.raises(DeviceError, match="cuda:97"):
        moved.fit(x)
