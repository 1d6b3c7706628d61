"""How good a model is: every figure by hand, and PCA beside it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from gpuae import encoding, evaluation
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.evaluation import evaluate, pca_mse
from gpuae.model.statistics import column_statistics
from gpuae.training.fitting import fit


@pytest.fixture
def x(low_rank):
    return 10 * low_rank(700, 9)


def model_of(x, **settings):
    own = {"hidden": (4,), "epochs": 3, "dtype": "float64", "learning_rate": 0.05}
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
    got = evaluate(model, x, device=device, threads=threads)
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
    assert evaluate(model, x, device=device).loss == pytest.approx(by_hand[loss].mean(), rel=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saturated_sigmoid_is_zero_on_every_device(x, device, dtype):
    model = model_of(x, activation="sigmoid", dtype=dtype, device=device)
    encoder = model.network.views(model.parameters)[0]
    encoder.weight[...] = 0
    encoder.bias[:] = [-60, -95, -200, 3] if dtype == "float32" else [-600, -730, -800, 3]
    assert evaluate(model, x, device=device).zero_fraction == 0.5


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


@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (30, 30)])
@pytest.mark.parametrize("components", [1, 3, 11])
@pytest.mark.parametrize("offset", [0, 1e6])
def test_the_error_of_pca_is_that_of_scikit_learn(shape, components, offset):
    x = offset + np.random.default_rng(0).standard_normal(shape) * np.linspace(1, 3, shape[1])
    pca = PCA(components, svd_solver="full").fit(x)
    expected = ((pca.inverse_transform(pca.transform(x)) - x) ** 2).mean()
    got = pca_mse(x, column_statistics(x, np.arange(len(x))), components)
    assert got == pytest.approx(expected, rel=1e-6)


def test_as_many_components_as_columns_leave_no_error():
    x = np.random.default_rng(0).standard_normal((50, 4))
    assert pca_mse(x, column_statistics(x, np.arange(50)), 4) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_rows_of_any_type_are_measured(device, dtype):
    x = (200 * np.random.default_rng(0).random((40, 6))).astype(dtype)
    figures = evaluate(model_of(x), x, device=device)
    model = model_of(x.astype(float), scale=model_of(x).config.scale)
    pca = PCA(4, svd_solver="full").fit(x.astype(float))
    error = ((pca.inverse_transform(pca.transform(x.astype(float))) - x) ** 2).mean()
    assert figures.pca_mse == pytest.approx(error, rel=1e-5)
    assert np.isfinite(list(vars(figures).values())).all()
    assert model.network.columns == figures.columns


def test_large_data_have_a_randomised_pca(monkeypatch):
    random = np.random.default_rng(0)
    x = random.standard_normal((300, 40)) @ np.diag(np.geomspace(10, 0.1, 40))
    statistics = column_statistics(x, np.arange(300))
    exact = pca_mse(x, statistics, 10)
    monkeypatch.setattr(evaluation, "EXACT_PCA_SIZE", 20)
    assert pca_mse(x, statistics, 10) == pytest.approx(exact, rel=1e-2)


def test_wide_data_that_take_much_memory_have_one_too(monkeypatch):
    random = np.random.default_rng(0)
    x = random.standard_normal((40, 300)) * np.geomspace(10, 0.1, 300)
    statistics = column_statistics(x, np.arange(40))
    exact = pca_mse(x, statistics, 10)
    monkeypatch.setattr(evaluation, "EXACT_PCA_BYTES", 8 * x.size - 1)
    close = pca_mse(x, statistics, 10)
    assert close != exact
    assert close == pytest.approx(exact, rel=1e-2)


def test_data_without_variance_are_explained_if_they_are_rebuilt():
    x = np.full((20, 3), 4.0)
    model = model_of(x, hidden=(1,), scale="none", epochs=0)
    assert evaluate(model, x).explained_variance == 0
    model.network.views(model.parameters)[1].weight[...] = 0
    model.network.views(model.parameters)[1].bias[...] = 4
    assert evaluate(model, x).explained_variance == 1


def test_more_units_than_rows_are_compared_with_what_pca_can_have():
    x = np.random.default_rng(0).random((3, 8))
    assert evaluate(model_of(x, validation=0), x).pca_mse == pytest.approx(0, abs=1e-14)


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
