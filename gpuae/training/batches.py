"""Which rows are trained on, in which order, and how a step's rows are cut into tiles.

Everything here follows from the seed, the epoch and the number of rows, never from the machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.philox import Purpose, words
from gpuae.config import Config
from gpuae.model.network import Network

Order = NDArray[np.int64]

BLOCK_ROWS = 64
WINDOW_BLOCKS = 256
"""shuffle=block: blocks of rows in random order, and random order within a window of blocks."""
WINDOW_ROWS = BLOCK_ROWS * WINDOW_BLOCKS

MAX_LANES = 16
FULL_BATCH_TILE = 256
SMALL_STEP_FLOPS = 6e7
"""A step with less arithmetic is one tile: threads would wait longer than they work."""
MANY_WEIGHTS = 1 << 20
"""More do not stay in a core's cache: every tile fetches them again, so tiles are larger."""


def permutation(count: int, seed: int, purpose: Purpose, epoch: int = 0) -> Order:
    """Return a random order of 0 … count − 1: the rows sorted by a random word each."""
    drawn = words(seed, purpose, np.zeros(1, np.int64), count, epoch)[0]
    keys = (drawn.astype(np.uint64) << np.uint64(32)) | np.arange(count, dtype=np.uint64)
    keys.sort()
    order: Order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return order


def split_rows(count: int, fraction: float, seed: int) -> tuple[Order, Order]:
    """Return the numbers of the training and the validation rows, each ascending."""
    held_out = min(max(1, round(count * fraction)), count - 1) if fraction > 0 else 0
    order = permutation(count, seed, Purpose.SPLIT)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def epoch_order(rows: Order, seed: int, epoch: int, shuffle: str) -> Order:
    """Return the training rows in the order of an epoch."""
    if shuffle == "none":
        return rows
    if shuffle == "full":
        return rows[permutation(len(rows), seed, Purpose.ROW_ORDER, epoch)]
    return rows[_block_permutation(len(rows), seed, epoch)]


class EpochOrders:
    """Orders of the same rows, of which one can be drawn before it is asked for."""

    def __init__(self, rows: Order, seed: int, shuffle: str) -> None:
        self._rows, self._seed, self._shuffle = rows, seed, shuffle
        self._ahead: tuple[int, Order] | None = None

    def draw_ahead(self, epoch: int) -> None:
        """Draw the order of an epoch to come, unless it is there."""
        if self._ahead is None or self._ahead[0] != epoch:
            self._ahead = epoch, self._drawn(epoch)

    def of(self, epoch: int) -> Order:
        """Return the order of an epoch."""
        ahead, self._ahead = self._ahead, None
        return ahead[1] if ahead is not None and ahead[0] == epoch else self._drawn(epoch)

    def _drawn(self, epoch: int) -> Order:
        return epoch_order(self._rows, self._seed, epoch, self._shuffle)


def _block_permutation(count: int, seed: int, epoch: int) -> Order:
    blocks = permutation(-(-count // BLOCK_ROWS), seed, Purpose.ROW_ORDER, epoch)
    places = (blocks[:, None] * BLOCK_ROWS + np.arange(BLOCK_ROWS)).ravel()
    places = places[places < count]
    window = np.arange(count, dtype=np.uint64) // np.uint64(BLOCK_ROWS * WINDOW_BLOCKS)
    drawn = words(seed, Purpose.ROW_ORDER, np.ones(1, np.int64), count, epoch)[0]
    return places[np.argsort((window << np.uint64(32)) | drawn, kind="stable")]


def step_sizes(count: int, batch_size: int) -> list[int]:
    """Return the number of rows of each step of an epoch; the last one may be shorter."""
    whole, rest = divmod(count, batch_size)
    return [batch_size] * whole + ([rest] if rest else [])


def choose_tile_rows(config: Config, network: Network, rows: int) -> int:
    """Return the rows that one thread computes at once, of a step of `rows`.

    Few tiles keep the matrix products efficient, several keep the threads busy. The choice depends
    on the step and the network alone, because it decides the order of sums.
    """
    if config.tile_rows is not None:
        return min(config.tile_rows, rows)
    if config.full_batch:
        tiles = -(-rows // FULL_BATCH_TILE)
    elif 6.0 * rows * network.n_weights < SMALL_STEP_FLOPS:
        tiles = 1
    else:
        few = 2 if network.n_weights > MANY_WEIGHTS else 4
        tiles = min(max(1, rows // 128), max(few, rows // 512), MAX_LANES)
    return -(-rows // tiles)


def choose_lanes(config: Config, rows: int, tile_rows: int) -> int:
    """Return how many tiles of a step of `rows` are in memory together, one for each lane.

    Of a full batch few are, so that they stay in the cache, but more where there is much to do for
    many threads.
    """
    most = min(max(4, rows // 4096), MAX_LANES) if config.full_batch else MAX_LANES
    return min(-(-rows // tile_rows), most)
