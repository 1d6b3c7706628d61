"""The same seed gives the same bits; threads never change them; the backends agree."""

import numpy as np
import pytest

from gpuae.backends import get_ops, resolve_device
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training import slices
from gpuae.training.fitting import fit
from gpuae.training.preparation import new_team, prepare

SETTINGS = {
    "plain": {},
    "kl": {"sparsity": "kl", "rho": 0.2, "weight_decay": 1e-3},
    "denoising": {"noise": "gaussian", "noise_level": 0.1, "dropout": 0.2, "decoder": "tied"},
    "masked l1": {"noise": "masking", "noise_level": 0.2, "sparsity": "l1", "l1": 1e-3},
    "whitened topk": {"whiten": "pca", "sparsity": "topk", "k": 2, "activation": "tanh"},
    "full batch": {"optimizer": "lbfgs"},
    "full batch kl": {"optimizer": "lbfgs", "sparsity": "kl", "rho": 0.2},
}
BOTH = ("numpy", "cpu")
each_setting = pytest.mark.parametrize("name", SETTINGS)


@pytest.fixture
def x(low_rank):
    return low_rank(500, 12, rank=3).astype(np.float32)


def config_of(name, **more):
    settings = {"hidden": (6, 4), "epochs": 3, "tile_rows": 16, "seed": 3, "validation": 0.1}
    settings |= {"activation": "sigmoid", "init": "glorot", "scale": "minmax", "patience": 10}
    settings |= SETTINGS[name] | more
    if settings.get("optimizer") != "lbfgs":
        settings.setdefault("batch_size", 100)
    return Config.parse(settings)


def assert_same(a, b):
    np.testing.assert_array_equal(a.model.parameters, b.model.parameters)
    for column in ("loss", "val_loss", "epoch"):
        np.testing.assert_array_equal(a.model.history[column], b.model.history[column])


@each_setting
def test_the_same_seed_gives_the_same_bits(device, x, name):
    config = config_of(name, device=device)
    assert_same(fit(x, config), fit(x, config))


@each_setting
def test_another_seed_gives_another_model(x, name):
    a, b = (fit(x, config_of(name, seed=seed)).model.parameters for seed in (3, 4))
    assert not np.array_equal(a, b)


@each_setting
def test_the_number_of_threads_does_not_change_a_bit(device, x, name, monkeypatch):
    """500 rows make 7 tiles a step, or 29 on 16 lanes; the vector is moved in several parts."""
    monkeypatch.setattr(slices, "SMALLEST_SLICE", 50)
    alone = fit(x, config_of(name, device=device, threads=1))
    for threads in (2, 3, 16):
        assert_same(fit(x, config_of(name, device=device, threads=threads)), alone)


@each_setting
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-3), ("float64", 1e-9)])
def test_the_loss_after_three_epochs_agrees_between_the_backends(x, name, dtype, limit):
    losses = [fit(x, config_of(name, device=device, dtype=dtype)).model.history for device in BOTH]
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(losses[0][column], losses[1][column], rtol=limit)


def whole_step(name, **more):
    """Return a configuration that takes all 500 rows at once."""
    full_batch = SETTINGS[name].get("optimizer") == "lbfgs"
    return config_of(name, **({} if full_batch else {"batch_size": 500}), **more)


def gradient_of(x, config):
    """Return the network, J and the flat gradient at the start, over all rows as one step."""
    order = np.arange(len(x))
    prepared = prepare(x, order, config, column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, x.shape[1])
    ops = get_ops(resolve_device(config.device))
    parameters = initial_parameters(network, prepared.config).astype(config.dtype)
    with new_team(ops, network, prepared, x, ops.asarray(parameters), len(x)) as team:
        value = objective(team.full_gradient(order), prepared.config)
        return network, value, ops.to_host(team.gradient)


@each_setting
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-5), ("float64", 1e-11)])
def test_each_array_of_the_gradient_agrees_between_the_backends(x, name, dtype, limit, relative):
    results = [gradient_of(x, whole_step(name, device=device, dtype=dtype)) for device in BOTH]
    network = results[0][0]
    views = [network.views(gradient.astype(float)) for _, _, gradient in results]
    for own, other in zip(*views, strict=True):
        assert relative(other.weight, own.weight) <= limit
        assert relative(other.bias, own.bias) <= limit


@pytest.mark.parametrize("tile_rows", [1, 7, 64, 500])
@pytest.mark.parametrize("name", ["kl", "full batch kl", "denoising", "masked l1"])
def test_tiles_change_the_objective_and_its_gradient_by_rounding_only(
    device, x, name, tile_rows, relative
):
    """So each row has the same noise and dropout however the step is cut."""
    own = {"dtype": "float64", "device": device}
    _, value, gradient = gradient_of(x, whole_step(name, tile_rows=tile_rows, **own))
    _, whole_value, whole = gradient_of(x, whole_step(name, tile_rows=33, **own))
    assert value == pytest.approx(whole_value, rel=1e-12)
    assert relative(gradient, whole) <= 1e-11


def test_rho_hat_of_a_full_batch_is_that_of_all_rows(device, x):
    """The KL part of J, beside a direct computation over all rows at once."""
    settings = {"dtype": "float64", "device": device, "output_activation": "sigmoid"}
    config = config_of("full batch kl", beta=2.0, **settings)
    network, value, _ = gradient_of(x, config)
    _, without, _ = gradient_of(x, config_of("full batch", **settings))
    flat = initial_parameters(network, config.model_copy(update={"init": "glorot"}))
    low, high = x.min(axis=0).astype(float), x.max(axis=0).astype(float)
    code = (x - low) / (high - low)
    for own in network.views(flat)[: network.depth]:
        code = 1 / (1 + np.exp(-(code @ own.weight + own.bias)))
    rho_hat = code.mean(axis=0)
    kl = 0.2 * np.log(0.2 / rho_hat) + 0.8 * np.log(0.8 / (1 - rho_hat))
    assert value - without == pytest.approx(2.0 * kl.sum(), rel=1e-9)


@pytest.mark.parametrize("tile_rows", [16, 64, 256, 300, 512])
def test_the_validation_loss_does_not_depend_on_tiles(low_rank, tile_rows):
    """ρ̂ of the validation rows is that of all of them, whatever a tile of training holds."""
    x = low_rank(3000, 6)
    settings = {"hidden": (4,), "sparsity": "kl", "rho": 0.2, "validation": 0.3, "epochs": 1}
    settings |= {"dtype": "float64", "batch_size": 2048, "learning_rate": 1e-9}
    val_loss = [
        fit(x, Config.parse(settings | {"tile_rows": rows})).model.history["val_loss"][0]
        for rows in (tile_rows, 100)
    ]
    assert val_loss[0] == pytest.approx(val_loss[1], rel=1e-9)


# Noise belongs to the row


class Spy:
    """Keeps what the network is given, by row of the data."""

    def __init__(self, ops, monkeypatch):
        self.seen = {}
        honest = type(ops).gather_corrupt

        def gather_corrupt(own, rows, source, scaling, noise, out, noisy):
            honest(own, rows, source, scaling, noise, out, noisy)
            counters = rows.clock.counters
            start = counters[1] + rows.first
            for place, row in enumerate(rows.order[start : start + rows.count]):
                number = int(row + counters[3])
                self.seen.setdefault((int(counters[0]), number), []).append(noisy[place].copy())

        monkeypatch.setattr(type(ops), "gather_corrupt", gather_corrupt)


@pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)
@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("noise", ["gaussian", "clipped_gaussian", "masking", "salt_pepper"])
def test_a_row_has_the_same_noise_in_every_batch_and_tile(ops, device, noise, monkeypatch, x):
    seen = []
    for own in ({}, {"batch_size": 32, "tile_rows": 5}, {"shuffle": "none", "threads": 1}):
        settings = {"noise": noise, "noise_level": 0.3, "threads": 2, "tile_rows": 16, "epochs": 2}
        settings |= {"hidden": (3,), "validation": 0.1, "patience": 0, "device": device}
        settings |= {"batch_size": 100} | own
        with monkeypatch.context() as patch:
            spy = Spy(ops, patch)
            fit(x, Config.parse(settings))
            seen.append(spy.seen)
    assert len(seen[0]) == 2 * 450
    for other in seen[1:]:
        assert other.keys() == seen[0].keys()
        for place, rows in other.items():
            np.testing.assert_array_equal(rows[0], seen[0][place][0])
    row = next(iter(seen[0]))[1]
    assert not np.array_equal(seen[0][0, row][0], seen[0][1, row][0])


@pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)
@pytest.mark.usefixtures("interpreted")
def test_noise_of_a_full_batch_stays_that_of_epoch_0(ops, device, monkeypatch, x):
    spy = Spy(ops, monkeypatch)
    settings = {"noise": "masking", "noise_level": 0.3, "optimizer": "lbfgs", "epochs": 2}
    fit(x, Config.parse(settings | {"hidden": (3,), "device": device}))
    assert {epoch for epoch, _ in spy.seen} == {0}
    assert all(np.array_equal(rows[0], row) for rows in spy.seen.values() for row in rows)


FIRST_RUN = """
import numpy as np
from gpuae.config import Config
from gpuae.training.fitting import fit

random = np.random.default_rng(0)
x = (random.random((230, 2)) @ random.random((2, 9)) + 0.1 * random.random((230, 9))) / 3
settings = {"hidden": (6, 3), "epochs": 3, "batch_size": 32, "init": "glorot", "device": "cpu"}
settings |= {"sparsity": "kl", "beta": 0.5, "weight_decay": 1e-3, "validation": 0.2}
model = fit(x.astype(np.float32), Config.parse(settings)).model
arrays = model.history["loss"], model.history["val_loss"], model.parameters.astype(np.float64)
print([number.hex() for array in arrays for number in array.tolist()])
"""


@pytest.mark.long
def test_the_first_run_compiles_and_has_the_bits_of_later_ones(run_python, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    first, second = (run_python(FIRST_RUN, timeout=300) for _ in range(2))
    assert first == second
