"""How the rows of a step are shared out.

A block of rows is cut into tiles, one for each lane. A thread computes whole tiles, forward and
back; a lane has sums of its own, which are added up in the order of the lanes. What lanes there are
follows from the network and the configuration, so no sum depends on the number of threads. A GPU
has one lane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuae.backends.ops import Array, Ops
from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.propagation import Sums
from gpuae.model.tile import Tile, keeps_preactivation

KEPT_BYTES = 256 << 20
"""What the encoder's activations of a whole step may take, where they are needed twice."""


@dataclass(frozen=True)
class Lane:
    """What a lane adds up."""

    index: int
    sums: Sums
    bias_gradients: tuple[Array, ...]
    """Of each layer; views of the lane's row in `Lanes.bias_gradients`."""


@dataclass(frozen=True)
class Block:
    """Some rows of a step, counted from its first."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many they are."""
        return self.stop - self.start


class Lanes:
    """All lanes, and the buffers of a block.

    Parameters
    ----------
    batch
        Rows of a whole step.
    tile_rows, count
        Rows that a lane has of a block at most, and how many lanes there are.
    gradient
        The team's, which has the biases' of a lane that is alone.
    targets, row_weights
        Whether rows have targets of their own, and weights.

    Attributes
    ----------
    bias_gradients
        (lanes, biases).
    totals
        What each lane adds up of the loss and of the code, (lanes, 2), float64.
    keeps_codes
        Whether what the encoder makes of a step's rows lasts until their deltas are computed: for a
        step of one block always, for a longer one whose rule for the code asks for it if it does
        not take too much.
    """

    def __init__(
        self,
        ops: Ops,
        network: Network,
        config: Config,
        batch: int,
        tile_rows: int,
        count: int,
        gradient: Array,
        *,
        targets: bool = False,
        row_weights: bool = False,
    ) -> None:
        self.tile_rows, self.count = tile_rows, count
        self._block_rows = min(count * tile_rows, batch)
        beside = {"targets": targets, "row_weights": row_weights}
        self._buffers = Tile.allocate(
            ops, network, config, self._block_rows, training=True, **beside
        )
        self._unit_sums = network.code_size + row_weights
        self._kept = _kept_activations(ops, network, config, batch, self._block_rows)
        self.keeps_codes = batch <= self._block_rows or bool(self._kept)
        own = gradient[network.n_weights :].reshape(1, -1)
        self.bias_gradients = own if count == 1 else ops.empty((count, own.size), config.dtype)
        self.totals = ops.zeros((count, 2), "float64")
        self.all = [self._lane(ops, network, index) for index in range(count)]

    def _lane(self, ops: Ops, network: Network, index: int) -> Lane:
        units = ops.zeros((self._unit_sums,), "float64")
        own = self.totals[index]
        sums = Sums(loss=own[0:1], code=own[1:2], units=units)
        return Lane(index, sums, network.biases(self.bias_gradients[index]))

    def blocks(self, rows: int) -> list[Block]:
        """Cut a step."""
        starts = range(0, rows, self._block_rows)
        return [Block(start, min(start + self._block_rows, rows)) for start in starts]

    def used(self, rows: int) -> int:
        """Return how many lanes, the first ones, have a tile in a step of so many rows."""
        return min(self.count, -(-rows // self.tile_rows))

    def tile_of(self, lane: Lane, block: Block) -> Block | None:
        """Return which rows of the block are the lane's, if any."""
        start = block.start + lane.index * self.tile_rows
        stop = min(start + self.tile_rows, block.stop)
        return Block(start, stop) if start < stop else None

    def buffers(self, block: Block, rows: Block) -> Tile:
        """Return the buffers of some rows of a block."""
        tile = self._buffers.rows_between(rows.start - block.start, rows.stop - block.start)
        if not self._kept:
            return tile
        return tile.with_encoder(tuple(kept[rows.start : rows.stop] for kept in self._kept))


def _kept_activations(
    ops: Ops, network: Network, config: Config, batch: int, block_rows: int
) -> tuple[Array, ...]:
    """Allocate the encoder's activations (batch, n_out) of a whole step, if they are to be kept.

    Not where they alone are not enough for the backward pass.
    """
    widths = [layer.n_out for layer in network.encoder]
    size = batch * sum(widths) * np.dtype(config.dtype).itemsize
    wanted = config.code_rule.reduces and not config.drops and batch > block_rows
    if not wanted or size > KEPT_BYTES or any(map(keeps_preactivation, network.encoder)):
        return ()
    return tuple(ops.empty((batch, width), config.dtype) for width in widths)
