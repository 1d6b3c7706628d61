"""Training that touches the active units of a code alone is training with the others as zeros."""

import numpy as np
import pytest
from pairwise import pairwise

from gpuae.backends import ops as protocol
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.tile import has_sparse_code
from gpuae.training.fitting import fit
from gpuae.training.gradcheck import LIMIT, check_gradient

SETTINGS = {
    "hidden": (48,),
    "activation": "relu",
    "sparsity": "topk",
    "k": 3,
    "batch_size": 64,
    "epochs": 3,
    "init": "glorot",
    "weight_decay": 1e-3,
}


def config_of(**more):
    return Config.parse(SETTINGS | more)


def is_sparse(**more):
    config = config_of(output_activation="identity", **more)
    return has_sparse_code(mirrored_autoencoder(config, 11), config)


@pytest.mark.parametrize(
    ("more", "sparse"),
    [
        ({}, True),
        ({"k": 4}, False),
        ({"dropout": 0.1}, False),
        ({"decoder": "tied"}, False),
        ({"decoder": "transpose"}, True),
        ({"hidden": (20, 48)}, False),
        ({"activation": "gelu"}, False),
        ({"activation": "tanh"}, True),
    ],
)
def test_a_code_is_sparse_where_that_is_faster_and_can_be(more, sparse):
    assert is_sparse(**more) is sparse


@pairwise(
    device=["numpy", "cpu", "cuda"],
    activation=["relu", "tanh"],
    tile_rows=[None, 7],
    indirect=["device"],
)
def test_the_model_is_that_of_all_units_within_rounding(
    device, low_rank, monkeypatch, relative, activation, tile_rows
):
    x = low_rank(150, 11)
    more = {"device": device, "dtype": "float64", "activation": activation, "tile_rows": tile_rows}
    sparse = fit(x, config_of(**more))
    monkeypatch.setattr(protocol, "SPARSE_SHARE", 0.0)
    dense = fit(x, config_of(**more))
    assert (sparse.model.parameters != dense.model.parameters).any()
    assert relative(sparse.model.parameters, dense.model.parameters) < 1e-9
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(sparse.model.history[column], dense.model.history[column])


@pytest.mark.parametrize("full_batch", [False, True])
def test_its_gradient_is_that_of_differences(device, full_batch):
    more = {"optimizer": "lbfgs", "batch_size": None} if full_batch else {}
    config = config_of(device=device, tile_rows=4, **more)
    checks = check_gradient(config, rows=19, columns=11)
    assert max(check.error for check in checks) <= LIMIT


@pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)
def test_threads_do_not_change_a_bit(device, low_rank):
    x = low_rank(300, 40).astype(np.float32)
    one, three = (
        fit(x, config_of(device=device, hidden=(480,), k=9, tile_rows=7, threads=threads))
        for threads in (1, 3)
    )
    np.testing.assert_array_equal(one.model.parameters, three.model.parameters)
