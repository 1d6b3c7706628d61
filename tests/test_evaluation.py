"""How good a model is: every figure by hand, and PCA beside it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from gpuae import encoding
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.evaluation import evaluate
from gpuae.machine import Machine
from gpuae.model import pca, reference
from gpuae.model.preprocess import Preprocess
from gpuae.training.fitting import fit


@pytest.fixture
def x(low_rank):
    return 10 * low_rank(700, 9)


def model_of(x, **settings):
    own = {
        **{"hidden": (4,), "depth": 1, "epochs": 3, "dtype": "float64", "learning_rate": 0.05},
        **{"activation": "sigmoid", "init": "glorot", "scale": "minmax", "patience": 0},
    }
    return fit(x, Config.parse(own | settings)).model


def rows_of(function, model, x, columns):
    out = np.empty((len(x), columns))
    function(model, x, encoding.into(out))
    return out


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "sse", "activation": "relu", "sparsity": "topk", "k": 2},
        {"loss": "bce", "sparsity": "kl"},
        {"whiten": "pca", "activation": "tanh", "sparsity": "l1"},
    ],
    ids=lambda own: "-".join(map(str, own.values())) or "plain",
)
@pytest.mark.parametrize("threads", [1, 3])
def test_every_figure_by_hand(x, device, settings, threads):
    model = model_of(x, **settings)
    got = evaluate(model, x, machine=Machine(device, threads))
    code = rows_of(encoding.encode, model, x, 4)
    back = rows_of(encoding.reconstruct, model, x, 9)
    mse, variance = ((back - x) ** 2).mean(), x.var(axis=0).mean()
    assert (got.rows, got.columns, got.code_size) == (700, 9, 4)
    assert got.mse == pytest.approx(mse, rel=1e-9)
    assert got.explained_variance == pytest.approx(1 - mse / variance, rel=1e-9)
    assert got.mean_activation == pytest.approx(code.mean(), rel=1e-9)
    assert got.zero_fraction == (code == 0).mean()
    assert got.dead_units == (np.abs(code).max(axis=0) <= 1e-6).sum()
    assert got.active_per_row == pytest.approx((np.abs(code) > 1e-6).sum(axis=1).mean())
    assert got.pca_explained_variance == pytest.approx(1 - got.pca_mse / variance, rel=1e-9)


@pytest.mark.parametrize(
    "settings", [{"scale": "standard"}, {"scale": "sigma"}, {"whiten": "zca"}], ids=str
)
def test_the_figures_in_preprocessed_units_by_hand(x, device, settings):
    x[:, 3] *= 1e4
    model = model_of(x, activation="tanh", **settings)
    got = evaluate(model, x, machine=Machine(device))
    target = model.preprocess.forward(x)
    back = rows_of(encoding.reconstruct, model, x, 9)
    unclipped = replace(model.preprocess, clip_low=-np.inf, clip_high=np.inf)
    mse, variance = ((unclipped.forward(back) - target) ** 2).mean(), target.var(axis=0).mean()
    assert got.preprocessed_mse == pytest.approx(mse, rel=1e-9)
    assert got.preprocessed_variance == pytest.approx(variance, rel=1e-9)
    assert got.preprocessed_explained_variance == pytest.approx(1 - mse / variance, rel=1e-9)


@pytest.mark.parametrize("known", [True, False])
def test_pca_is_that_of_the_training_rows_where_the_model_has_kept_it(x, device, known):
    """By scikit-learn: fitted to preprocessed rows, and measured on others in both units."""
    others = x[::-1, ::-1] ** 2
    model = model_of(x, scale="standard", validation=0)
    if not known:
        model = replace(model, pca=None)
    got = evaluate(model, others, machine=Machine(device))
    target = model.preprocess.forward(others)
    by_hand = PCA(4, svd_solver="full").fit(model.preprocess.forward(x) if known else target)
    back = by_hand.inverse_transform(by_hand.transform(target))
    assert got.pca_from == ("training rows" if known else "these rows")
    assert got.pca_components == 4
    assert got.preprocessed_pca_mse == pytest.approx(((back - target) ** 2).mean(), rel=1e-9)
    error = model.preprocess.backward(back) - others
    assert got.pca_mse == pytest.approx((error**2).mean(), rel=1e-9)


def test_pca_that_would_take_much_of_the_training_is_not_learnt(x, monkeypatch):
    monkeypatch.setattr(reference, "LITTLE_WORK", 0)
    monkeypatch.setattr(reference, "SHARE_OF_TRAINING", 0)
    model = model_of(x)
    assert model.pca is None
    assert evaluate(model, x).pca_from == "these rows"
    assert np.isnan(evaluate(model, x, learn_pca=False).pca_mse)


@pytest.mark.parametrize("loss", ["mse", "sse", "bce"])
def test_the_loss_is_the_mean_over_rows_without_penalties(x, device, loss):
    model = model_of(
        x, loss=loss, sparsity="kl", weight_decay=0.1, noise="masking", noise_level=0.3
    )
    target = model.preprocess.scaled(x)
    output = model.preprocess.scaled(rows_of(encoding.reconstruct, model, x, 9))
    by_hand = {
        "mse": ((output - target) ** 2).mean(axis=1),
        "sse": ((output - target) ** 2).sum(axis=1) / 2,
        "bce": -(target * np.log(output) + (1 - target) * np.log(1 - output)).mean(axis=1),
    }
    assert evaluate(model, x, machine=Machine(device)).loss == pytest.approx(
        by_hand[loss].mean(), rel=1e-8
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saturated_sigmoid_is_zero_on_every_device(x, device, dtype):
    model = model_of(x, activation="sigmoid", dtype=dtype, device=device)
    encoder = model.network.views(model.parameters)[0]
    encoder.weight[...] = 0
    encoder.bias[:] = [-60, -95, -200, 3] if dtype == "float32" else [-600, -730, -800, 3]
    assert evaluate(model, x, machine=Machine(device)).zero_fraction == 0.5


def test_a_unit_that_is_never_active_is_dead(x):
    model = model_of(x, activation="tanh")
    encoder = model.network.views(model.parameters)[0]
    encoder.weight[:, 1] = 0
    encoder.bias[1] = 0
    figures = evaluate(model, x)
    assert figures.dead_units == 1
    assert figures.zero_fraction == 0.25
    encoder.bias[1] = 1e-7  # active is what is above a millionth
    figures = evaluate(model, x)
    assert (figures.dead_units, figures.zero_fraction) == (1, 0)
    encoder.bias[1] = 1e-5
    assert evaluate(model, x).dead_units == 0


def unscaled(columns):
    ends = np.zeros(columns), np.ones(columns)
    return Preprocess(*ends, clip_low=-np.inf, clip_high=np.inf, low=ends[0], high=ends[1])


def error_of_pca(x, components):
    """Return the mean squared error of all rows projected on their own principal axes."""
    found = pca.principal_axes(x, None, unscaled(x.shape[1]), components)
    return ((found.project(x) - x) ** 2).mean()


@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (30, 30)])
@pytest.mark.parametrize("components", [1, 3, 11])
@pytest.mark.parametrize("offset", [0, 1e6])
def test_the_error_of_pca_is_that_of_scikit_learn(shape, components, offset):
    x = offset + np.random.default_rng(0).standard_normal(shape) * np.linspace(1, 3, shape[1])
    exact = PCA(components, svd_solver="full").fit(x)
    expected = ((exact.inverse_transform(exact.transform(x)) - x) ** 2).mean()
    # twelve rows span eleven axes and leave nothing
    assert error_of_pca(x, components) == pytest.approx(expected, rel=1e-6, abs=1e-15)


def test_as_many_components_as_columns_leave_no_error():
    x = np.random.default_rng(0).standard_normal((50, 4))
    assert error_of_pca(x, 4) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_rows_of_any_type_are_measured(device, dtype):
    x = (200 * np.random.default_rng(0).random((40, 6))).astype(dtype)
    model = model_of(x)
    figures = evaluate(model, x, machine=Machine(device))
    target = model.preprocess.forward(x)
    error = ((model.pca.project(target) - target) ** 2).mean()
    assert figures.preprocessed_pca_mse == pytest.approx(error, rel=1e-5)
    words = ("pca_from", "explained_loss", "weight", "categories")
    numbers = [value for name, value in vars(figures).items() if name not in words]
    assert figures.explained_loss is None  # of a squared error the variances say it
    assert np.isfinite(numbers).all()
    assert model.network.columns == figures.columns


SPECTRA = {
    "falling": np.geomspace(10, 0.1, 120),
    "slow": np.geomspace(2, 1, 120),
    "noise": np.ones(120),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("components", [1, 12])
@pytest.mark.parametrize("rows", [30, 200])
@pytest.mark.parametrize("most", [2, 8])
def test_the_randomised_error_of_pca_is_within_a_thousandth(
    monkeypatch, spectrum, components, rows, most
):
    x = 5 + np.random.default_rng(0).standard_normal((rows, 120)) * SPECTRA[spectrum]
    exact = error_of_pca(x, components)
    monkeypatch.setattr(pca, "EXACT_SIZE", 20)
    monkeypatch.setattr(pca, "MOST_BLOCKS", most)
    for other in ("_by_covariance", "_by_products_of_rows"):
        monkeypatch.setattr(pca, other, None)
    close = error_of_pca(x, components)
    assert exact * (1 - 1e-9) <= close <= exact * (1 + 1e-3)


def test_data_without_variance_are_explained_if_they_are_rebuilt():
    x = np.full((20, 3), 4.0)
    model = model_of(x, hidden=(1,), scale="none", epochs=0)
    assert evaluate(model, x).explained_variance == 0
    model.network.views(model.parameters)[1].weight[...] = 0
    model.network.views(model.parameters)[1].bias[...] = 4
    assert evaluate(model, x).explained_variance == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("far", [0.1, 1e15])
def test_variance_that_is_mere_rounding_is_none(dtype, far):
    x = np.full((70, 3), far, dtype)
    x[::2] = np.nextafter(x[::2], np.inf, dtype=dtype)
    figures = evaluate(model_of(x, scale="none", epochs=1), x)
    assert (figures.variance, figures.preprocessed_variance) == (0, 0)
    assert figures.explained_variance == figures.preprocessed_explained_variance
    assert figures.explained_variance in (0, 1)


@pytest.mark.parametrize(
    "x",
    [
        1e6 + np.random.default_rng(0).normal(size=(70, 3)) * 1e-3,
        2**40 + np.random.default_rng(0).integers(0, 2, size=(70, 3)),
    ],
    ids=["float", "integer"],
)
def test_a_small_variance_is_one(x):
    figures = evaluate(model_of(x), x)
    assert figures.variance == pytest.approx((x - x[0]).var(axis=0).mean(), rel=1e-4)


def test_more_units_than_rows_are_compared_with_what_pca_can_have():
    x = np.random.default_rng(0).random((3, 8))
    figures = evaluate(model_of(x, validation=0), x)
    assert figures.pca_mse == pytest.approx(0, abs=1e-14)
    assert figures.pca_components <= 3


def test_rows_of_another_width_are_refused(x):
    with pytest.raises(InputError, match="9"):
        evaluate(model_of(x), x[:, :8])


def test_a_linear_autoencoder_comes_within_a_hundredth_of_pca():
    x = load_digits().data.astype(np.float64)
    settings = {
        "hidden": (10,),
        "activation": "identity",
        "output_activation": "identity",
        "scale": "unit",
        "optimizer": "lbfgs",
        "epochs": 300,
        "validation": 0,
        "dtype": "float64",
    }
    figures = evaluate(fit(x, Config.parse(settings)).model, x)
    assert figures.pca_mse <= figures.mse * (1 + 1e-9)
    assert figures.mse <= 1.01 * figures.pca_mse


def test_errors_are_measured_in_float64_also_far_from_zero():
    """Rows of 1e8 ± 1 that a linear network rebuilds to rounding, which float32 could not tell."""
    from gpuae.config import Config
    from gpuae.training.fitting import fit

    x = 1e8 + np.random.default_rng(0).normal(size=(60, 3))
    settings = {"activation": "identity", "scale": "standard", "optimizer": "lbfgs"}
    model = fit(x, Config(hidden=(3,), validation=0, epochs=200, **settings)).model
    assert evaluate(model, x).explained_variance > 0.999
