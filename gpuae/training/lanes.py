"""How a step is shared out: rows to lanes, and the flat vector to parts.

A block of rows is cut into tiles, one for each lane. A thread computes whole tiles, forward and
back; a lane has sums of its own, which are added up in the order of the lanes. The gradient of the
weights is a sum over all rows of the block, so it is cut the other way: into parts of each weight
matrix, every one computed from the whole block by one thread, which then moves the parameters. What
lanes and parts there are follows from the network and the configuration. So no sum depends on the
number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gpuae.backends.ops import STEP, Array, Clock, Ops
from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.propagation import Sums
from gpuae.model.tile import Tile, keeps_preactivation
from gpuae.training.batches import choose_lanes, choose_tile_rows

SMALLEST_PART = 1 << 12
"""A weight matrix is not cut into parts with fewer entries."""
ALIGNED_ROWS = 4
"""Parts start at multiples of what the products' inner loops take at once."""
KEPT_BYTES = 256 << 20
"""What the encoder's activations of a whole step may take, where they are needed twice."""
EVALUATION_ROWS = 256
"""Rows of a tile in evaluation, where small steps would only cost time."""


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


class Lanes:
    """All lanes, and the buffers of a block.

    Attributes
    ----------
    bias_gradients
        (lanes, biases).
    keeps_codes
        Whether what the encoder makes of a step's rows lasts until their deltas are computed: for a
        step of one block always, for a longer one with a KL penalty if it does not take too much.
    """

    def __init__(self, ops: Ops, network: Network, config: Config, batch: int) -> None:
        self.tile_rows = choose_tile_rows(config, network, batch)
        self.count = choose_lanes(config, batch, self.tile_rows)
        self._block_rows = min(self.count * self.tile_rows, batch)
        self._buffers = Tile.allocate(ops, network, config, self._block_rows, training=True)
        self._kept = _kept_activations(ops, network, config, batch, self._block_rows)
        self.keeps_codes = batch <= self._block_rows or bool(self._kept)
        n_biases = network.size - network.n_weights
        self.bias_gradients = ops.empty((self.count, n_biases), config.dtype)
        self.all = [
            Lane(index, Sums.allocate(ops, network), network.biases(self.bias_gradients[index]))
            for index in range(self.count)
        ]

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
    wanted = config.sparsity == "kl" and not config.dropout and batch > block_rows
    if not wanted or size > KEPT_BYTES or any(map(keeps_preactivation, network.encoder)):
        return ()
    return tuple(ops.empty((batch, width), config.dtype) for width in widths)


@dataclass(frozen=True)
class Part:
    """Some rows of a layer's weight as it is stored, or all biases.

    Attributes
    ----------
    layer
        Index of the layer, or None for the biases.
    rows
        Of the weight.
    place
        In the flat vector.
    """

    layer: int | None
    rows: slice
    place: slice

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.place.stop - self.place.start)


def cut_into_parts(network: Network, lanes: int) -> list[Part]:
    """Cut each weight into half as many parts as there are lanes, but two if there are two lanes.

    There are two weights or more (unless they are tied), so all threads have work; and fewer parts
    mean fewer times that a product copies its other factor into the order it needs.
    """
    count = max(min(lanes, 2), lanes // 2)
    parts = [part for index in range(len(network.layers)) for part in _parts(network, index, count)]
    return [*parts, Part(None, slice(0, 0), slice(network.n_weights, network.size))]


def _parts(network: Network, index: int, most: int) -> Iterator[Part]:
    layer = network.layers[index]
    if layer.transposed:
        return
    rows, columns = layer.weight.shape
    units = -(-rows // ALIGNED_ROWS)
    count = max(1, min(most, units, rows * columns // SMALLEST_PART))
    cuts = [min(ALIGNED_ROWS * (units * i // count), rows) for i in range(count + 1)]
    first = layer.weight.place.start
    for low, high in pairwise(cuts):
        yield Part(index, slice(low, high), slice(first + low * columns, first + high * columns))


@dataclass(frozen=True)
class Worker:
    """What one thread keeps to itself. Every worker counts steps on its own clock, all alike."""

    clock: Clock
    gradient: Array
    """Of one part of the flat vector: it stays in the cache from its sum to the optimizer."""
    code_sums: Array
    slope: Array
    kl: Array
    still: Tile
    """For evaluation."""
    still_clock: Clock
    """Where evaluation stands, which takes no steps."""


def new_worker(
    ops: Ops, network: Network, config: Config, parts: list[Part], steps_done: int
) -> Worker:
    """Allocate what a thread keeps to itself; its clock has counted so many steps."""
    counters = np.zeros(4, np.int64)
    counters[STEP] = steps_done
    return Worker(
        clock=Clock(ops.asarray(counters), ops.zeros((1,), "float64")),
        gradient=ops.empty((max(part.size for part in parts),), config.dtype),
        code_sums=ops.zeros((network.code_size,), "float64"),
        slope=ops.empty((network.code_size,), config.dtype),
        kl=ops.zeros((1,), "float64"),
        still=Tile.allocate(ops, network, config, EVALUATION_ROWS, training=False),
        still_clock=Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64")),
    )
