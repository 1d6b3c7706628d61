"""Training on the few units of a code that stay is training on all of them."""

import numpy as np
import pytest

from gpuae.backends import Device, get_ops
from gpuae.config import Config
from gpuae.model import tile
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.optimizers import create_optimizer
from gpuae.training.preparation import new_team, prepare

ROWS, COLUMNS = 50, 9
SETTINGS = {
    "hidden": (48,),
    "sparsity": "topk",
    "k": 3,
    "output_activation": "sigmoid",
    "scale": "none",
    "dtype": "float64",
    "noise": "masking",
    "noise_level": 0.2,
}


@pytest.fixture(params=["numpy", "cpu", "cuda"])
def device(request):
    if request.param == "cuda":
        request.getfixturevalue("gpu")
    return request.param


def trained(device, settings):
    """Return J and its gradient over all rows, and the parameters after an epoch of two steps."""
    x = np.random.default_rng(0).random((ROWS, COLUMNS))
    order = np.arange(ROWS)
    config = Config.parse(SETTINGS | settings)
    prepared = prepare(x, order, config, column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, COLUMNS)
    ops = get_ops(Device(device, ""))
    start = np.random.default_rng(1).uniform(-0.8, 0.8, network.size)
    sparse = tile.has_sparse_code(network, prepared.config)
    with new_team(ops, network, prepared, x, ops.asarray(start), ROWS) as team:
        value = objective(team.full_gradient(order), prepared.config)
        gradient = ops.to_host(team.gradient)
        team.start_epoch(order, 0, 0.01)
        team.run([30, 20], create_optimizer(ops, network.size, prepared.config))
        return sparse, value, gradient, ops.to_host(team.parameters)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("tile_rows", [None, 7])
def test_a_code_of_few_units_trains_as_one_of_all(
    device, activation, tile_rows, relative, monkeypatch
):
    settings = {"activation": activation, "tile_rows": tile_rows, "batch_size": ROWS}
    sparse, value, gradient, parameters = trained(device, settings)
    monkeypatch.setattr(tile, "sparse_pays", lambda k, units: False)
    dense, expected_value, expected_gradient, expected_parameters = trained(device, settings)
    assert (sparse, dense) == (True, False)
    assert value == pytest.approx(expected_value, rel=1e-12)
    assert relative(gradient, expected_gradient) < 1e-12
    assert relative(parameters, expected_parameters) < 1e-9
