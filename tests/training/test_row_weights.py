"""A row of weight 2 counts as two rows in the objective, its gradient and all that is learnt."""

import itertools
from dataclasses import asdict

import numpy as np
import pytest
from pairwise import pairwise

from gpuae import encoding
from gpuae.config import Config
from gpuae.evaluation import evaluate
from gpuae.functions.losses import LOSSES
from gpuae.training.calibrating import fit_calibrated
from gpuae.training.gradcheck import LIMIT, check_gradient
from gpuae.verdict import Figures, judge

SPARSITY = {
    "none": {},
    "kl": {"activation": "sigmoid", "rho": 0.2, "beta": 0.5},
    "kl of tanh": {"activation": "tanh", "rho": 0.3, "beta": 0.5},
    "l1": {"l1": 0.1},
    "topk": {"k": 2},
}
OUTPUTS = {"bce": "sigmoid", "poisson": "exponential"}


def config_of(loss, sparsity, **others):
    settings = {"hidden": (5, 4), "activation": "tanh", "weight_decay": 0.1, "loss": loss}
    settings |= {
        "output_activation": OUTPUTS.get(loss, "identity"),
        "sparsity": sparsity.split()[0],
    }
    settings |= {"threads": 1, "tile_rows": 2, "scale": "none", "dtype": "float64"}
    return Config.parse(settings | SPARSITY[sparsity] | others)


# The objective


@pairwise(
    device=["numpy", "cpu", "cuda"],
    loss=list(LOSSES),
    sparsity=list(SPARSITY),
    dropout=[0.0, 0.3],
    indirect=["device"],
)
def test_gradients_are_right(device, loss, sparsity, dropout):
    """In 4 tiles, of which the last is shorter."""
    config = config_of(loss, sparsity, device=device, dropout=dropout)
    checks = check_gradient(config, rows=7, columns=5, weighted=True)
    assert all(check.error <= LIMIT for check in checks)


@pytest.mark.long
@pytest.mark.parametrize(("loss", "sparsity"), list(itertools.product(LOSSES, SPARSITY)))
def test_every_entry_of_a_gradient_is_right(loss, sparsity):
    config = config_of(loss, sparsity, device="numpy")
    checks = check_gradient(config, rows=7, columns=5, weighted=True, every_entry=True)
    assert all(check.error <= LIMIT for check in checks)


@pairwise(
    device=["numpy", "cpu", "cuda"],
    loss=list(LOSSES),
    sparsity=list(SPARSITY),
    indirect=["device"],
)
def test_a_row_of_weight_2_is_two_rows_in_the_objective(device, loss, sparsity):
    x, times = np.random.default_rng(4).random((9, 5)), np.array([2, 1, 1, 3, 1, 2, 1, 1, 1])
    config = config_of(loss, sparsity, device=device)
    value, still, gradient = objective_of(config, x, times / times.mean())
    own_value, own_still, own_gradient = objective_of(config, np.repeat(x, times, axis=0), None)
    assert value == pytest.approx(own_value, rel=1e-12)
    assert still == pytest.approx(own_still, rel=1e-12)
    size = np.linalg.norm(own_gradient)
    np.testing.assert_allclose(gradient, own_gradient, rtol=0, atol=1e-12 * size)


def objective_of(config, x, weights):
    """Return J as it is trained and as it is evaluated, and its gradient at a random place."""
    from gpuae.backends import get_ops, resolve_device
    from gpuae.model.autoencoder import mirrored_autoencoder
    from gpuae.model.objective import objective
    from gpuae.model.statistics import column_statistics
    from gpuae.training.preparation import new_team, prepare

    order = np.arange(len(x))
    prepared = prepare(x, order, config, column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, x.shape[1])
    ops = get_ops(resolve_device(config.device))
    flat = ops.asarray(np.random.default_rng(2).uniform(-0.5, 0.5, network.size))
    with new_team(ops, network, prepared, x, flat, len(x), row_weights=weights) as team:
        value = objective(team.full_gradient(order), prepared.config)
        still = objective(team.evaluate(order), prepared.config)
        return value, still, ops.to_host(team.gradient)


# Fits

TIMES = np.array([2, 1, 0, 3, 1, 1, 2, 1, 1, 1, 4, 1] * 3)
FULL = {"optimizer": "lbfgs", "validation": 0.0, "folds": 1, "dtype": "float64", "epochs": 6}


@pytest.fixture
def rows():
    """Rows (36, 6), mostly of two dimensions."""
    random = np.random.default_rng(1)
    product = random.integers(0, 9, (36, 2)) @ random.integers(0, 5, (2, 6))
    return (product + random.integers(0, 5, (36, 6))).astype(np.uint8)


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": "standard"},
        {"scale": "sigma", "init": "glorot", "code_activation": "sigmoid", "sparsity": "kl"},
        {"scale": "pooled", "sparsity": "l1", "l1": 0.01, "loss": "huber"},
        {"scale": "shrunk", "hidden": (12, 3), "pretrain": 3},
        {"scale": "standard", "whiten": "zca"},
        {"scale": "none", "whiten": "pca", "missing": "mean"},
    ],
    ids=lambda own: " ".join(map(str, own.values())),
)
def test_a_row_of_weight_2_is_two_rows_in_a_fit_of_whole_batches(rows, settings):
    """And one of weight 0 is none. Only what the number of rows decides has to be given."""
    x = rows.astype(np.float64)
    if "missing" in settings:
        x[TIMES == 3, 2] = np.nan
    config = Config.parse({"hidden": (3,), "device": "cpu", **FULL} | settings)
    weighted = fit_calibrated(x, config, weights=TIMES * 2.5)
    repeated = fit_calibrated(np.repeat(x, TIMES, axis=0), config)
    for name, own in repeated.model.preprocess.arrays().items():
        found = weighted.model.preprocess.arrays()[name]
        np.testing.assert_allclose(found, own, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(weighted.model.pca.axes, repeated.model.pca.axes, atol=1e-9)
    losses = [own.result.history.arrays()["loss"] for own in (weighted, repeated)]
    np.testing.assert_allclose(*losses, rtol=1e-7)
    codes = [own.model.parameters for own in (weighted, repeated)]
    assert np.linalg.norm(codes[0] - codes[1]) < 1e-5 * np.linalg.norm(codes[1])


@pytest.mark.parametrize("settings", [{}, {"validation": 0.25}, {"folds": 3}, {"trim": 0.1}])
def test_a_row_of_weight_0_is_left_out(rows, settings):
    """Bit by bit, also where rows are held out or taken some at a time."""
    config = Config.parse({"hidden": (3,), "device": "cpu", "epochs": 5, **settings})
    whole = fit_calibrated(rows, config, weights=TIMES.astype(float))
    there = fit_calibrated(rows[TIMES > 0], config, weights=TIMES[TIMES > 0].astype(float))
    np.testing.assert_array_equal(whole.model.parameters, there.model.parameters)
    assert whole.model.attributes == there.model.attributes
    assert str(judge(whole)) == str(judge(there))
    assert len(whole.x) == (TIMES > 0).sum()


def test_equal_weights_are_none(rows):
    config = Config.parse({"hidden": (3,), "device": "cpu", "epochs": 3})
    plain, equal = (fit_calibrated(rows, config, weights=own) for own in (None, np.full(36, 0.3)))
    np.testing.assert_array_equal(plain.model.parameters, equal.model.parameters)


def test_weights_steer_steps_of_some_rows():
    """Of two kinds of rows, of which a code of one unit can serve one, the heavier is rebuilt."""
    random = np.random.default_rng(0)
    x = np.zeros((400, 4))
    x[:200, :2] = random.standard_normal((200, 1))
    x[200:, 2:] = random.standard_normal((200, 1))
    config = Config.parse({"hidden": (1,), "activation": "identity", "device": "cpu"})
    config = config.model_copy(update={"scale": "none", "epochs": 30, "batch_size": 32})
    for heavy in (slice(0, 200), slice(200, 400)):
        weights = np.ones(400)
        weights[heavy] = 20.0
        model = fit_calibrated(x, config, weights=weights).model
        errors = np.empty(400)
        encoding.score(model, x, encoding.into(errors))
        assert errors[heavy].mean() < 0.1 * errors.mean()


@pytest.mark.parametrize("settings", [{"folds": 3}, {"validation": 0.3}])
def test_the_figures_of_held_out_rows_are_those_of_rows_as_often_as_they_count(rows, settings):
    config = Config.parse({"hidden": (3,), "device": "cpu", "epochs": 4, "dtype": "float64"})
    config = config.model_copy(update=settings)
    weights = TIMES.astype(float)
    fitted = fit_calibrated(rows, config, weights=weights)
    times = TIMES[TIMES > 0]
    parts = []
    for trial in fitted.trials:
        seen = np.repeat(trial.rows, times[trial.rows])
        parts.append(evaluate(trial.model, fitted.x[seen], learn_pca=False))
    found = judge(fitted).preprocessed
    expected = Figures.of(parts, "preprocessed_")
    assert found.explained_variance == pytest.approx(expected.explained_variance, rel=1e-9)
    assert found.pca_explained_variance == pytest.approx(expected.pca_explained_variance, rel=1e-9)


@pytest.mark.parametrize("loss", ["mse", "poisson", "cosine"])
def test_all_figures_of_an_evaluation_are_those_of_rows_as_often_as_they_count(rows, loss):
    settings = {"hidden": (3,), "device": "cpu", "epochs": 2, "loss": loss, "dtype": "float64"}
    model = fit_calibrated(rows, Config.parse(settings)).model
    there, times = rows[TIMES > 0], TIMES[TIMES > 0]
    weighted = asdict(evaluate(model, there, weights=times.astype(float)))
    repeated = asdict(evaluate(model, np.repeat(there, times, axis=0)))
    assert weighted.pop("weight") == times.sum()
    del repeated["weight"], repeated["rows"], weighted["rows"]
    for name, own in repeated.items():
        close = pytest.approx(own, rel=1e-9, abs=1e-12) if isinstance(own, float) else own
        assert weighted[name] == close, name


def test_thresholds_and_trim_are_shares_of_the_weight():
    """Of 100 rows the last 10 are far away: half of the weight with 9, a tenth with 1."""
    random = np.random.default_rng(3)
    x = np.concatenate([random.standard_normal((90, 3)), 30 * random.standard_normal((10, 3))])
    settings = {"hidden": (1,), "device": "cpu", "epochs": 5, "contamination": 0.3, "trim": 0.0}
    config = Config.parse(settings | {"validation": 0.0, "folds": 1, "outlier_score": "mse"})
    light, heavy = np.ones(100), np.ones(100)
    heavy[90:] = 9.0
    thresholds = []
    for weights in (light, heavy):
        fitted = fit_calibrated(x, config, weights=weights)
        scores = np.empty(100)
        encoding.score(fitted.model, x, encoding.into(scores))
        threshold = fitted.model.calibration.threshold
        assert weights[scores > threshold].sum() == pytest.approx(0.3 * weights.sum(), abs=9)
        thresholds.append((scores > threshold).sum())
    assert thresholds[1] < 10 < thresholds[0]
    trimmed = fit_calibrated(x, config.model_copy(update={"trim": 0.3}), weights=heavy)
    assert 90 <= len(trimmed.rows) < 98


def test_rows_that_are_streamed_to_a_gpu_have_their_weights(gpu, monkeypatch):
    from gpuae.training import loader

    random = np.random.default_rng(2)
    x, weights = random.random((90, 5)), random.uniform(0.1, 3, 90)
    settings = {"hidden": (2,), "device": "cuda", "epochs": 2, "validation": 0.2, "folds": 1}
    config = Config.parse(settings | {"batch_size": 16})
    resident = fit_calibrated(x, config, weights=weights)
    monkeypatch.setattr(loader, "SLOT_BYTES", 1)
    monkeypatch.setattr("gpuae.backends.cupy_ops.CupyOps.holds", lambda *_: False)
    streamed = fit_calibrated(x, config, weights=weights)
    np.testing.assert_array_equal(resident.model.parameters, streamed.model.parameters)
    plain = fit_calibrated(x, config)
    assert not np.array_equal(plain.model.parameters, streamed.model.parameters)


@pytest.mark.parametrize("large", [False, True])
def test_rows_that_are_streamed_have_their_weights(tmp_path, large, monkeypatch):
    """Weights are those of a row's number, wherever the row is brought to."""
    from gpuae.training import mapped_loader, thread_team

    random = np.random.default_rng(2)
    x, weights = random.random((3000, 8)).astype(np.float32), random.uniform(0.1, 3, 3000)
    settings = {"hidden": (2,), "device": "cpu", "epochs": 2, "shuffle": "block"}
    config = Config.parse(settings | {"validation": 0.1})
    there = fit_calibrated(x, config, weights=weights)
    np.save(tmp_path / "x.npy", x)
    if large:
        monkeypatch.setattr(thread_team, "is_large", lambda *_: True)
        monkeypatch.setattr(mapped_loader, "SLOT_BYTES", 1 << 14)
    mapped = fit_calibrated(np.load(tmp_path / "x.npy", mmap_mode="r"), config, weights=weights)
    np.testing.assert_array_equal(there.model.parameters, mapped.model.parameters)
