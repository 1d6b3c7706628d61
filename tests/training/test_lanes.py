"""How the rows of a step are shared out: every one to one lane."""

import numpy as np
import pytest
from hypothesis import strategies as st

from gpuae.backends.numpy_ops import NumpyOps
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.training import lanes
from gpuae.training.batches import MAX_LANES, choose_lanes, choose_tile_rows
from gpuae.training.fitting import fit
from gpuae.training.lanes import Lanes

WIDTHS = st.lists(st.integers(1, 60), min_size=1, max_size=3).map(tuple)


def network_of(columns, hidden, **more):
    return mirrored_autoencoder(
        Config(
            **{"hidden": hidden, "activation": "sigmoid", "output_activation": "identity", **more}
        ),
        columns,
    )


def lanes_of(network, config, batch):
    tile_rows = choose_tile_rows(config, network, batch)
    count = choose_lanes(config, batch, tile_rows)
    gradient = np.zeros(network.size, np.float32)
    return Lanes(NumpyOps(), network, config, batch, tile_rows, count, gradient)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "lbfgs", "batch_size": None}])
@pytest.mark.parametrize("tile_rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("batch", [1, 50, 64, 333])
def test_tiles_hold_every_row_of_a_step_once(settings, tile_rows, batch):
    shape = {"hidden": (2,), "activation": "sigmoid", "output_activation": "identity"}
    config = Config(**shape, tile_rows=tile_rows, **settings)
    network = mirrored_autoencoder(config, 3)
    shared = lanes_of(network, config, batch)
    assert shared.count <= MAX_LANES
    for rows in {batch, max(1, batch - 1), 1}:
        seen = np.zeros(rows, int)
        with_tile = set()
        for block in shared.blocks(rows):
            assert shared.buffers(block, block).rows == block.stop - block.start
            for lane in shared.all:
                own = shared.tile_of(lane, block)
                if own is not None:
                    with_tile.add(lane.index)
                    seen[own.start : own.stop] += 1
                    assert shared.buffers(block, own).rows == own.stop - own.start
        assert (seen == 1).all()
        assert with_tile == set(range(shared.used(rows)))


def test_kept_codes_do_not_change_a_bit(device, low_rank, monkeypatch):
    """A full batch of several blocks, with and without room for all codes."""
    x = low_rank(150, 6)
    settings = {"hidden": (4, 3), "activation": "sigmoid", "sparsity": "kl", "optimizer": "lbfgs"}
    settings |= {"scale": "minmax", "beta": 3.0, "batch_size": None}
    config = Config.parse(settings | {"tile_rows": 8, "epochs": 4, "device": device})
    network = mirrored_autoencoder(config.model_copy(update={"output_activation": "sigmoid"}), 6)
    assert lanes_of(network, config, 150).keeps_codes
    kept = fit(x, config).model.parameters
    monkeypatch.setattr(lanes, "KEPT_BYTES", 0)
    assert not lanes_of(network, config, 150).keeps_codes
    np.testing.assert_array_equal(fit(x, config).model.parameters, kept)


@pytest.mark.parametrize(
    ("rows", "lanes_of_it"), [(10, 1), (1000, 4), (10_000, 4), (60_000, 14), (10**6, 16)]
)
def test_a_full_batch_has_more_lanes_where_there_is_more_to_do(rows, lanes_of_it):
    assert choose_lanes(Config(optimizer="lbfgs", batch_size=None), rows, 256) == lanes_of_it


@pytest.mark.parametrize(("hidden", "tile_rows"), [((200,), 250), ((1000, 500), 500)])
def test_tiles_are_larger_where_the_weights_do_not_stay_in_the_cache(hidden, tile_rows):
    assert choose_tile_rows(Config(), network_of(784, hidden), 1000) == tile_rows
