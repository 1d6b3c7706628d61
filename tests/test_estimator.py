"""The estimator behaves as scikit-learn's own do, and says the same as the model behind it."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpuae import Autoencoder, encoding, load
from gpuae.config import Config
from gpuae.errors import ConfigError, DivergedError, GpuaeWarning, InputError, OutputError
from gpuae.training.fitting import fit
from gpuae.training.history import Silence

# most networks here are hardly trained
pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

QUICK = {"hidden": 3, "activation": "sigmoid", "init": "glorot", "scale": "minmax", "folds": 1}
QUICK |= {"epochs": 3, "patience": 10, "batch_size": 20}
QUICK |= {"learning_rate": 0.02, "schedule": "constant"}


@pytest.fixture
def x(low_rank):
    return 5 + 3 * low_rank(90, 8)


@pytest.fixture
def fitted(x):
    return Autoencoder(**QUICK).fit(x)


DRAWN_ONCE = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "steps of some rows draw each of them once, however much it weighs; "
    "tests/test_sample_weight.py has steps of all rows",
)


@parametrize_with_checks(
    [Autoencoder(hidden=2, epochs=2)], expected_failed_checks=lambda _: DRAWN_ONCE
)
def test_scikit_learn_finds_nothing_to_complain_about(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks' own
        check(estimator)


# Parameters


def test_the_parameters_are_the_settings_with_their_defaults():
    parameters = dict(inspect.signature(Autoencoder).parameters)
    assert parameters.pop("random_state").default is None  # scikit-learn's, and no settings
    assert parameters.pop("warm_start").default is False
    defaults = {name: own.default for name, own in parameters.items()}
    assert defaults == {name: own.default for name, own in Config.model_fields.items()}
    assert list(parameters) == list(Config.model_fields)


def test_only_hidden_may_be_given_by_position():
    assert Autoencoder(7).hidden == 7
    with pytest.raises(TypeError):
        Autoencoder(7, "tanh")


def test_parameters_are_kept_as_they_were_given():
    for hidden in (7, [7, 3], (7, 3), None):
        assert Autoencoder(hidden=hidden).get_params()["hidden"] is hidden


def test_clone_copies_the_settings_alone(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "model_")


def test_set_params_takes_effect_at_the_next_fit(fitted, x):
    fitted.set_params(hidden=(5, 2), epochs=1).fit(x)
    assert fitted.config_.hidden == (5, 2)
    assert fitted.transform(x).shape == (90, 2)
    with pytest.raises(ValueError, match="nonsense"):
        fitted.set_params(nonsense=1)


@pytest.mark.parametrize(
    "wrong", [{"hidden": 0}, {"activation": "softmax"}, {"loss": "bce", "scale": "standard"}]
)
def test_senseless_settings_are_refused_at_fit(x, wrong):
    with pytest.raises(ConfigError, match="Autoencoder: "):
        Autoencoder(**wrong).fit(x)


def test_numbers_of_numpy_are_taken_for_settings(x):
    """As a grid of np.arange and np.logspace gives them."""
    estimator = Autoencoder(
        hidden=np.int64(2), epochs=np.int32(1), learning_rate=np.float32(0.01), seed=np.uint64(3)
    )
    assert estimator.fit(x).config_.code_size == 2


# Fitting


def test_a_fit_is_that_of_the_function_behind_it(fitted, x):
    direct = fit(x, Config.parse(QUICK))
    np.testing.assert_array_equal(fitted.model_.parameters, direct.model.parameters)
    assert fitted.config_ == direct.model.config
    np.testing.assert_array_equal(fitted.history_["loss"], direct.model.history["loss"])


def test_what_a_fit_leaves_behind(fitted):
    assert fitted.n_features_in_ == 8
    assert fitted.n_iter_ == 3
    assert fitted.config_.scale == "minmax"
    assert set(fitted.history_) == {"epoch", "loss", "val_loss", "learning_rate", "seconds"}
    assert all(len(column) == 3 for column in fitted.history_.values())


def test_fitting_again_starts_afresh(fitted, x):
    first = fitted.model_.parameters
    np.testing.assert_array_equal(fitted.fit(x).model_.parameters, first)


def test_rows_that_are_images_have_a_shape(x):
    local = Autoencoder(**QUICK | {"init": "distance"}).fit(x, image_shape=(2, 4))
    direct = fit(x, local._config(), image_shape=(2, 4)).model
    np.testing.assert_array_equal(local.model_.parameters, direct.parameters)
    assert local.model_.image_shape == (2, 4)
    on_a_line = local.fit(x).model_
    assert not np.array_equal(on_a_line.parameters, direct.parameters)
    assert on_a_line.image_shape is None


def test_the_shape_of_images_goes_through_pipelines_and_files(x, tmp_path):
    shape = np.array([2, 2, 2])
    pipeline = make_pipeline(Autoencoder(**QUICK)).fit(x, autoencoder__image_shape=shape)
    pipeline[-1].save(tmp_path / "model.h5")
    assert load(tmp_path / "model.h5").model_.image_shape == (2, 2, 2)


@pytest.mark.parametrize("shape", [(2, 3), (8.0,), (-2, -4), (), 9, "24", (2, "4")], ids=str)
def test_another_shape_of_images_is_refused(x, shape):
    with pytest.raises(InputError, match=r"image_shape: .* does not make the 8 columns"):
        Autoencoder(**QUICK).fit(x, image_shape=shape)


def test_what_is_given_as_the_target_is_the_input(x, fitted):
    """As those write it who come from Keras."""
    again = Autoencoder(**QUICK).fit(x, x)
    np.testing.assert_array_equal(again.model_.parameters, fitted.model_.parameters)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float32", "float64"])
def test_rows_keep_their_type(x, dtype):
    """Bytes are scaled as bytes, which they would not be after a conversion to float64."""
    rows = (20 * x).astype(dtype)
    scale = Autoencoder(hidden=3, epochs=1, loss="bce").fit(rows).config_.scale
    assert scale == ("unit" if dtype == "uint8" else "minmax")


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4.5], [5, 6]], np.ones((3, 2), bool)])
def test_other_rows_become_float64(rows):
    assert Autoencoder(hidden=1, epochs=1).fit(rows).transform(rows).shape == (3, 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(x, wrong):
    x[2, 3] = wrong
    with pytest.raises(
        ValueError, match=r"1 of .* rows hold (NaN|infinite values), the first at row 3, column 4"
    ):
        Autoencoder(**QUICK).fit(x)


def test_a_divergence_is_raised_and_leaves_the_last_good_weights(x):
    estimator = Autoencoder(
        hidden=2, activation="identity", scale="none", optimizer="sgd", learning_rate=1e3
    )
    with pytest.raises(DivergedError, match="learning_rate"):
        estimator.fit(1e3 * x)
    assert np.isfinite(estimator.model_.parameters).all()
    assert np.isfinite(estimator.transform(x)).all()


def test_an_interrupted_fit_warns_and_keeps_what_was_learnt(x, monkeypatch):
    def interrupt(self, epoch, rows):
        if epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Silence, "rows_done", interrupt)
    with pytest.warns(ConvergenceWarning, match="epoch 2"):
        estimator = Autoencoder(**QUICK | {"validation": 0}).fit(x)
    assert estimator.n_iter_ == 2


# Codes and back


def test_codes_are_those_of_the_model(fitted, x):
    expected = np.empty((90, 3), np.float32)
    encoding.encode(fitted.model_, x, encoding.into(expected))
    codes = fitted.transform(x)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(Autoencoder(**QUICK).fit_transform(x), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_type_of_the_computation(x, dtype):
    estimator = Autoencoder(**QUICK, dtype=dtype).fit(x)
    codes = estimator.transform(x)
    assert codes.dtype == estimator.inverse_transform(codes).dtype == dtype


def test_the_way_back_is_in_the_datas_own_units(x):
    fitted = Autoencoder(hidden=3, epochs=50, optimizer="lbfgs", dtype="float64").fit(x)
    back = fitted.inverse_transform(fitted.transform(x))
    assert back.shape == x.shape
    assert np.abs(back - x).mean() < 0.1
    expected = np.empty_like(x)
    encoding.reconstruct(fitted.model_, x, encoding.into(expected))
    np.testing.assert_array_equal(back, expected)


def test_codes_of_another_width_are_refused(fitted):
    with pytest.raises(InputError, match="2 columns and the model's 3"):
        fitted.inverse_transform(np.zeros((4, 2)))


def test_rows_of_another_width_are_refused(fitted):
    for method in (fitted.transform, fitted.score_samples, fitted.score):
        with pytest.raises(ValueError, match="7 features"):
            method(np.zeros((4, 7)))


def test_scores_are_negative_errors_so_that_higher_is_more_normal(fitted, x):
    errors = np.empty(90)
    encoding.score(fitted.model_, x, encoding.into(errors))
    np.testing.assert_array_equal(fitted.score_samples(x), -errors)
    assert fitted.score(x) == pytest.approx(-errors.mean(), rel=1e-12)
    strange = x.copy()
    strange[0] = strange[0, ::-1] + 40
    assert np.argmin(fitted.score_samples(strange)) == 0


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score", "score_samples"])
def test_nothing_can_be_asked_before_a_fit(method, x):
    with pytest.raises(NotFittedError):
        getattr(Autoencoder(**QUICK), method)(x)


def test_nothing_can_be_saved_before_a_fit(tmp_path):
    with pytest.raises(NotFittedError):
        Autoencoder().save(tmp_path / "model.h5")


def test_features_have_names(fitted):
    expected = ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert fitted.get_feature_names_out().tolist() == expected


# With others


def test_it_works_in_a_pipeline_and_a_grid_search(x):
    y = (x[:, 0] > np.median(x[:, 0])).astype(int)
    pipeline = make_pipeline(Autoencoder(**QUICK), LogisticRegression())
    assert pipeline.fit(x, y).score(x, y) > 0.5
    search = GridSearchCV(Autoencoder(**QUICK), {"hidden": [1, (4, 2)]}, cv=2).fit(x)
    assert search.best_params_["hidden"] in (1, (4, 2))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_fitted_estimator_survives_a_pickle(fitted, x):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(x), fitted.transform(x))


def test_a_fed_estimator_survives_a_pickle_into_another_process(x, tmp_path, run_python):
    """There the libraries lie at other addresses."""
    estimator = Autoencoder(**QUICK).partial_fit(x)
    (tmp_path / "estimator").write_bytes(pickle.dumps(estimator))
    np.save(tmp_path / "x.npy", x)
    run_python(
        "import pickle, pathlib, numpy as np\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "estimator = pickle.loads((folder / 'estimator').read_bytes())\n"
        "estimator.partial_fit(np.load(folder / 'x.npy'))\n"
    )


# ProgressChunks


def test_feeding_learns_from_each_portion(x):
    estimator = Autoencoder(**QUICK)
    for portion in np.split(x, 3):
        assert estimator.partial_fit(portion) is estimator
    assert estimator.n_iter_ == 3
    assert estimator.transform(x).shape == (90, 3)
    assert not np.array_equal(
        estimator.model_.parameters, Autoencoder(**QUICK).partial_fit(x[:30]).model_.parameters
    )


def test_a_portion_of_another_width_is_refused(x):
    estimator = Autoencoder(**QUICK).partial_fit(x)
    with pytest.raises(ValueError, match="7 features"):
        estimator.partial_fit(x[:, :7])


def test_a_full_batch_cannot_be_fed(x):
    with pytest.raises(ConfigError, match="lbfgs"):
        Autoencoder(hidden=2, optimizer="lbfgs").partial_fit(x)


def test_a_fit_forgets_what_was_fed_before(x):
    """Feeding after a fit must not go back to the network that was fed before the fit."""
    estimator = Autoencoder(**QUICK).partial_fit(x)
    estimator.fit(x).partial_fit(x[:20])
    fresh = Autoencoder(**QUICK).fit(x).partial_fit(x[:20])
    np.testing.assert_array_equal(estimator.model_.parameters, fresh.model_.parameters)


# Files


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hidden": (5, 2), "decoder": "tied", "dtype": "float64", "seed": 2**63},
        {"whiten": "zca", "sparsity": "topk", "k": 2, "scale": "sigma"},
    ],
)
def test_a_saved_model_is_read_back_bit_for_bit(x, tmp_path, settings):
    estimator = Autoencoder(**QUICK | settings).fit(x)
    path = tmp_path / "model.h5"
    estimator.save(path)
    again = load(path)
    np.testing.assert_array_equal(again.model_.parameters, estimator.model_.parameters)
    assert again.model_.parameters.dtype == estimator.model_.parameters.dtype
    np.testing.assert_array_equal(again.transform(x), estimator.transform(x))
    np.testing.assert_array_equal(again.score_samples(x), estimator.score_samples(x))
    codes = estimator.transform(x)
    np.testing.assert_array_equal(
        again.inverse_transform(codes), estimator.inverse_transform(codes)
    )
    assert again.config_ == estimator.config_
    assert (again.n_features_in_, again.n_iter_) == (8, 3)
    for name, column in estimator.history_.items():
        np.testing.assert_array_equal(again.history_[name], column)


def test_a_saved_model_is_written_again_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "a.h5")
    load(tmp_path / "a.h5").save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_existing_file_is_kept_unless_forced(fitted, tmp_path):
    path = tmp_path / "model.h5"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"model\.h5"):
        fitted.save(str(path))
    assert path.read_text() == "precious"
    fitted.save(str(path), force=True)
    assert load(str(path)).n_features_in_ == 8


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5"):
        load(tmp_path / "none.h5")


# Missing values


def test_missing_values_are_refused_by_default_and_filled_where_that_is_said(x):
    holes = x.copy()
    holes[::7, 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*missing=mean"):
        Autoencoder(**QUICK).fit(holes)
    fitted = Autoencoder(**QUICK, missing="mean", validation=0).fit(holes)
    filled = np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)
    np.testing.assert_allclose(fitted.model_.preprocess.fill, np.nanmean(holes, axis=0))
    np.testing.assert_array_equal(fitted.transform(holes), fitted.transform(filled))
    np.testing.assert_array_equal(fitted.score_samples(holes), fitted.score_samples(filled))
    assert np.isnan(holes[0, 2])
    with pytest.raises(ValueError, match="infinite"):
        fitted.transform(np.full((1, 8), np.inf))


def test_the_tags_say_whether_values_may_be_missing():
    assert not Autoencoder().__sklearn_tags__().input_tags.allow_nan
    assert Autoencoder(missing="mean").__sklearn_tags__().input_tags.allow_nan


def test_portions_are_filled_with_the_means_of_the_first(x):
    holes = x.copy()
    holes[::5, 1] = np.nan
    portions = Autoencoder(**QUICK, missing="mean").partial_fit(holes[:40]).partial_fit(holes[40:])
    means = np.nanmean(holes[:40], axis=0)
    np.testing.assert_allclose(portions.model_.preprocess.fill, means)
    filled = np.where(np.isnan(holes), means, holes)
    same = Autoencoder(**QUICK).partial_fit(filled[:40]).partial_fit(filled[40:])
    np.testing.assert_array_equal(same.model_.parameters, portions.model_.parameters)


def test_what_missing_values_become_is_saved(x, tmp_path):
    holes = x.copy()
    holes[3, 3] = np.nan
    fitted = Autoencoder(**QUICK, missing="mean").fit(holes)
    fitted.save(tmp_path / "m.h5")
    loaded = load(tmp_path / "m.h5")
    assert loaded.missing == "mean"
    np.testing.assert_array_equal(loaded.transform(holes), fitted.transform(holes))


@pytest.mark.long
@parametrize_with_checks(
    [Autoencoder(hidden=2, epochs=2, missing="mean")], expected_failed_checks=lambda _: DRAWN_ONCE
)
def test_scikit_learn_finds_nothing_to_complain_about_with_missing_values(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks' own
        check(estimator)


# What a person should know


POOR = {"hidden": 3, "activation": "sigmoid", "init": "glorot", "epochs": 1}


def heard(act):
    """Return the warnings of gpuae that a call gives rise to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [own for own in caught if own.category is GpuaeWarning]


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_poor_fit_warns_once_of_the_line_that_asked_for_it(x, method):
    (poor,) = heard(lambda: getattr(Autoencoder(**POOR), method)(x))
    assert poor.filename == __file__
    assert "unseen rows; PCA with 3 components" in str(poor.message)
    assert "may help" in str(poor.message)


def test_a_fit_as_good_as_pca_says_nothing_and_keeps_its_verdict(x):
    estimator = Autoencoder(3)
    assert heard(lambda: estimator.fit(x)) == []
    assert "unseen rows; PCA with 3 components" in str(estimator.verdict_)
    assert estimator.partial_fit(x).verdict_ is None


def test_what_is_remarked_of_the_data_is_a_warning():
    rows = np.ones((40, 3))
    (same,) = heard(lambda: Autoencoder(2).fit(rows))
    assert "all but the same" in str(same.message)
    assert same.filename == __file__


@pytest.mark.parametrize("method", ["transform", "score_samples", "score"])
def test_rows_in_other_units_are_a_warning(x, method):
    fitted = Autoencoder(3).fit(x)
    assert heard(lambda: getattr(fitted, method)(x)) == []
    (strange,) = heard(lambda: getattr(fitted, method)(1000 * x))
    assert "100% of the rows have values far beyond the range" in str(strange.message)
    assert strange.filename == __file__


def test_warnings_can_be_chosen_by_their_class():
    import gpuae

    assert gpuae.GpuaeWarning is GpuaeWarning
    assert issubclass(GpuaeWarning, UserWarning)


def test_what_was_found_of_held_out_rows_is_forgotten_when_more_are_fed(x):
    fitted = Autoencoder(3).fit(x)
    assert "held_out_error" in fitted.model_.attributes
    attributes = fitted.partial_fit(x).model_.attributes
    assert not any(name.startswith("held_out") for name in attributes)
    assert fitted.model_.pca is None


def test_the_example_of_the_class_is_what_comes_out():
    import doctest

    from gpuae import estimator

    assert doctest.testmod(estimator) == (0, 6)
