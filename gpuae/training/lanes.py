"""The buffers of a step that is computed by several threads: lanes, and what a worker owns.

A step's rows are cut into tiles, and the tiles are dealt to a fixed number of lanes: tile t to lane
t mod lanes. A lane has its own gradient and sums, which its tiles are added to in order. Lanes are
then added in their order. So no sum depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpuae.backends.ops import STEP, Array, Clock, Ops, Rows
from gpuae.config import Config
from gpuae.model.network import Network, Parameters
from gpuae.model.propagation import Sums
from gpuae.model.tile import Tile
from gpuae.training.batches import MAX_LANES, choose_tile_rows

PARTS = 16
SMALLEST_PART, LARGEST_PART = 1 << 12, 1 << 18
"""The flat vector is summed and moved in this many parts, unless they would be of other sizes."""
EVALUATION_ROWS = 256
"""Rows of a tile in evaluation, where small steps would only cost time."""


@dataclass(frozen=True)
class Lane:
    """A gradient and sums of its own, and a tile for each turn in a step where tiles are kept."""

    index: int
    gradient: tuple[Parameters, ...]
    sums: Sums
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Worker:
    """What one thread keeps to itself. Every worker counts steps on its own clock, all alike."""

    clock: Clock
    gradient: Array
    """Of one part of the flat vector: it stays in the cache from its sum to the optimizer."""
    code_sums: Array
    slope: Array
    kl: Array
    spare: Tile
    """For the turns of any lane, where tiles are not kept."""
    still: Tile
    """For evaluation."""


class Lanes:
    """All lanes of a team.

    Attributes
    ----------
    keeps_tiles
        Whether a tile's activations last from the encoder's pass to the rest of the step. In
        full-batch training they would fill the memory, and a worker uses one tile again and again.
    """

    def __init__(self, ops: Ops, network: Network, config: Config, batch: int) -> None:
        self.tile_rows = choose_tile_rows(config, network, batch)
        self.keeps_tiles = not config.full_batch
        tiles = -(-batch // self.tile_rows)
        self.count = min(tiles, MAX_LANES)
        self._gradients = ops.empty((self.count, network.size), config.dtype)
        turns = -(-tiles // self.count) if self.keeps_tiles else 0
        self.all = [
            Lane(
                index=index,
                gradient=network.views(self._gradients[index]),
                sums=Sums.allocate(ops, network),
                tiles=tuple(
                    Tile.allocate(ops, network, config, self.tile_rows, training=True)
                    for _ in range(turns)
                ),
            )
            for index in range(self.count)
        ]

    def gradients(self, rows: int) -> Array:
        """Return the gradients (lanes, size) of the lanes with a tile in a step of so many rows."""
        return self._gradients[: -(-rows // self.tile_rows)]

    def turns(
        self, lane: Lane, order: Array, clock: Clock, rows: int, tile_rows: int
    ) -> Iterator[tuple[int, Rows]]:
        """Yield a lane's turns in a step of so many rows, each with the rows that it is about."""
        starts = range(lane.index * tile_rows, rows, tile_rows * self.count)
        for turn, first in enumerate(starts):
            yield turn, Rows(order, clock, first, min(tile_rows, rows - first))

    def tile(self, lane: Lane, worker: Worker, turn: int, place: Rows) -> Tile:
        """Return the tile of a turn."""
        tile = lane.tiles[turn] if self.keeps_tiles else worker.spare
        return tile.head(place.count)


def part_size(size: int) -> int:
    """Return how many entries of a flat vector of this size are summed and moved at once.

    A few equal parts keep all threads busy and call compiled code seldom. The choice depends on the
    size alone, because it decides the order of sums.
    """
    return min(max(-(-size // PARTS), SMALLEST_PART), LARGEST_PART)


def new_worker(
    ops: Ops, network: Network, config: Config, spare_rows: int, steps_done: int
) -> Worker:
    """Allocate what a thread keeps to itself; its clock has counted so many steps."""
    counters = np.zeros(4, np.int64)
    counters[STEP] = steps_done
    return Worker(
        clock=Clock(ops.asarray(counters), ops.zeros((1,), "float64")),
        gradient=ops.empty((part_size(network.size),), config.dtype),
        code_sums=ops.zeros((network.code_size,), "float64"),
        slope=ops.empty((network.code_size,), config.dtype),
        kl=ops.zeros((1,), "float64"),
        spare=Tile.allocate(ops, network, config, spare_rows, training=True),
        still=Tile.allocate(ops, network, config, EVALUATION_ROWS, training=False),
    )
