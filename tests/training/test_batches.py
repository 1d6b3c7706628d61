"""Which rows are trained on and in which order: all of it follows from the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuae.backends.philox import Purpose, words
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.training.batches import (
    BLOCK_ROWS,
    MAX_LANES,
    WINDOW_BLOCKS,
    choose_tile_rows,
    epoch_order,
    permutation,
    split_rows,
    step_sizes,
)

SEEDS = st.integers(0, 2**64 - 1)


@given(st.integers(0, 300), SEEDS, st.integers(0, 1000))
def test_a_permutation_holds_every_number_once(count, seed, epoch):
    order = permutation(count, seed, Purpose.ROW_ORDER, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(count))


def test_a_permutation_sorts_the_rows_by_their_words():
    drawn = words(5, Purpose.ROW_ORDER, np.zeros(1, np.int64), 100, 3)[0]
    np.testing.assert_array_equal(
        permutation(100, 5, Purpose.ROW_ORDER, 3), np.argsort(drawn, kind="stable")
    )


def test_permutations_differ_by_seed_epoch_and_purpose():
    orders = {
        tuple(permutation(50, *place))
        for place in (
            (0, Purpose.ROW_ORDER, 0),
            (1, Purpose.ROW_ORDER, 0),
            (2**32, Purpose.ROW_ORDER, 0),
            (0, Purpose.ROW_ORDER, 1),
            (0, Purpose.SPLIT, 0),
        )
    }
    assert len(orders) == 5


def test_a_permutation_moves_every_number_anywhere():
    places = np.array([permutation(16, seed, Purpose.ROW_ORDER) for seed in range(2000)])
    counts = np.array([np.bincount(column, minlength=16) for column in places.T])
    chi_square = ((counts - 125) ** 2 / 125).sum()
    assert chi_square < 340  # 225 degrees of freedom: less than once in a million


@given(st.integers(1, 500), st.floats(0, 0.99), SEEDS)
def test_training_and_validation_rows_are_disjoint_and_complete(count, fraction, seed):
    rows, held_out = split_rows(count, fraction, seed)
    assert sorted([*rows, *held_out]) == list(range(count))
    assert len(rows) >= 1
    for part in (rows, held_out):
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize(
    ("count", "fraction", "held_out"),
    [
        (100, 0.1, 10),
        (100, 0.0, 0),
        (100, 0.25, 25),
        (7, 0.1, 1),
        (2, 0.99, 1),
        (1, 0.5, 0),
        (10, 0.99, 9),
    ],
)
def test_a_split_holds_out_the_fraction_but_never_all(count, fraction, held_out):
    assert len(split_rows(count, fraction, 0)[1]) == held_out


def test_a_split_depends_on_the_seed():
    assert not np.array_equal(split_rows(100, 0.2, 0)[1], split_rows(100, 0.2, 1)[1])
    np.testing.assert_array_equal(split_rows(100, 0.2, 1)[1], split_rows(100, 0.2, 1)[1])


@pytest.mark.parametrize("shuffle", ["none", "full", "block"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 2 * BLOCK_ROWS * WINDOW_BLOCKS + 33])
def test_an_epoch_passes_every_training_row_once(shuffle, count):
    rows = 3 * np.arange(count) + 1
    order = epoch_order(rows, 4, 2, shuffle)
    np.testing.assert_array_equal(np.sort(order), rows)
    if shuffle == "none":
        np.testing.assert_array_equal(order, rows)
    elif count > 60:
        assert not np.array_equal(order, rows)
        assert not np.array_equal(order, epoch_order(rows, 4, 3, shuffle))
        assert not np.array_equal(order, epoch_order(rows, 5, 2, shuffle))
        np.testing.assert_array_equal(order, epoch_order(rows, 4, 2, shuffle))


def test_a_block_shuffle_reads_whole_blocks_a_window_at_a_time():
    """Each window takes 256 blocks from anywhere, so a window's rows can be read block by block."""
    window = BLOCK_ROWS * WINDOW_BLOCKS
    order = epoch_order(np.arange(4 * window), 0, 0, "block")
    for start in range(0, 4 * window, window):
        blocks, counts = np.unique(order[start : start + window] // BLOCK_ROWS, return_counts=True)
        assert len(blocks) == WINDOW_BLOCKS
        assert (counts == BLOCK_ROWS).all()
        assert np.ptp(blocks) > 2 * WINDOW_BLOCKS
    first_batch = order[:256] // BLOCK_ROWS
    assert len(np.unique(first_batch)) > 100


@pytest.mark.parametrize(
    ("count", "batch", "steps"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (0, 4, [])]
)
def test_the_last_step_may_be_shorter(count, batch, steps):
    assert step_sizes(count, batch) == steps


def network_of(columns, code):
    return mirrored_autoencoder(
        Config(hidden=(code,), activation="sigmoid", output_activation="identity"), columns
    )


@pytest.mark.parametrize("rows", [1, 100, 128, 256, 1000, 5000, 60_000])
@pytest.mark.parametrize("columns", [8, 784])
def test_tiles_fill_a_step_with_no_more_lanes_than_there_are(rows, columns):
    tile_rows = choose_tile_rows(Config(), network_of(columns, columns // 4), rows)
    assert 1 <= tile_rows <= rows
    assert -(-rows // tile_rows) <= MAX_LANES


def test_a_small_step_is_one_tile_and_a_large_one_several():
    assert choose_tile_rows(Config(), network_of(64, 25), 256) == 256
    assert choose_tile_rows(Config(), network_of(784, 200), 256) == 128


def test_tiles_of_a_full_batch_stay_small():
    config = Config(optimizer="lbfgs")
    assert choose_tile_rows(config, network_of(8, 2), 100_000) <= 256
    assert choose_tile_rows(config, network_of(8, 2), 10) == 10


def test_a_chosen_tile_is_at_most_the_step():
    assert choose_tile_rows(Config(tile_rows=7), network_of(8, 2), 100) == 7
    assert choose_tile_rows(Config(tile_rows=700), network_of(8, 2), 100) == 100
