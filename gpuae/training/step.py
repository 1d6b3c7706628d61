"""One step, the same for the threads of a CPU and for a GPU.

Rows go forward; the sums of the code are reduced, where its rule asks for them; rows go back; the
gradient is computed slice by slice and reduced; parameters are moved. Every thread has a share of
it, recorded as a program: it brings its lanes' tiles forward and back, with single-threaded
products in data that stay in its cache, and when all tiles are done it computes its slices of the
gradient. A GPU has one thread, which has all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gpuae.backends.ops import STEP, Array, Clock, Ops, Program, Recorder, Rows
from gpuae.config import Config
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.propagation import Propagation
from gpuae.model.sparse_propagation import training_propagation
from gpuae.model.tile import Tile
from gpuae.training.lanes import Block, Lane, Lanes
from gpuae.training.optimizers import NO_DECAY, Decay, Optimizer
from gpuae.training.reducer import Reducer
from gpuae.training.slices import GradientSlice, Region


@dataclass(frozen=True)
class Shared:
    """What all threads of a team work on.

    Attributes
    ----------
    feed, evaluation_feed
        Of the rows that steps take, and of those that are evaluated.
    order
        Numbers of the rows of an epoch, from the buffer's start.
    places, evaluation_places
        Where the rows of an epoch are in the feeds' sources; None: at their numbers.
    regions
        Parameters that are moved at once, all of which cover the slices.
    squares
        Σ rows·w² of each region, (regions,), float64.
    evaluation_rows
        Of a lane, in evaluation.
    moves_by_slice
        Whether each slice is a region, moved as soon as its gradient is there, while that is in the
        cache.
    """

    ops: Ops
    network: Network
    config: Config
    feed: Feed
    evaluation_feed: Feed
    lanes: Lanes
    slices: list[GradientSlice]
    regions: list[Region]
    order: Array
    places: Array | None
    evaluation_places: Array | None
    parameters: Array
    gradient: Array
    squares: Array
    reducer: Reducer
    evaluation_rows: int
    moves_by_slice: bool


@dataclass(frozen=True)
class Piece:
    """A program for some of the rows of a full batch.

    `restarts` says that the rows are passed from the first on, once more or for the first time.
    """

    program: Program
    rows: int
    restarts: bool


class Step:
    """One of `size` threads' share: it has every size-th lane, slice and region.

    Every thread counts steps on a clock of its own, all alike, and reduces the code's sums for
    itself, so nobody waits for one of them.

    Parameters
    ----------
    steps_done
        Steps that the optimizer has taken before.

    Attributes
    ----------
    penalty
        What penalties on the sums of the code have added up to, (1,), float64.
    """

    def __init__(
        self, shared: Shared, recorder: Recorder, index: int, size: int, steps_done: int
    ) -> None:
        self._shared, self._recorder = shared, recorder
        self._ops, self._config, self._lanes = recorder.ops, shared.config, shared.lanes
        own = (self._ops, shared.network, shared.config)
        views = shared.network.views(shared.parameters)
        self._pass = training_propagation(*own, views)
        self._evaluation_pass = Propagation(*own, views)
        self._own_lanes = shared.lanes.all[index::size]
        self._own_slices = shared.slices[index::size]
        self._own_regions = list(enumerate(shared.regions))[index::size]
        ops, k, dtype = shared.ops, shared.network.code_size, shared.config.dtype
        counters = np.zeros(4, np.int64)
        counters[STEP] = steps_done
        self.clock = Clock(ops.asarray(counters), ops.zeros((1,), "float64"))
        self.evaluation_clock = Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64"))
        self.penalty = ops.zeros((1,), "float64")
        units = shared.lanes.all[0].sums.units
        self._units, self._slope = ops.zeros(units.shape, "float64"), ops.empty((k,), dtype)
        longest = max((own.size for own in shared.slices), default=0)
        self._gradient = ops.empty((longest if shared.moves_by_slice else 0,), dtype)
        self._evaluation_tile = Tile.allocate(
            ops,
            shared.network,
            shared.config,
            shared.evaluation_rows,
            training=False,
            targets=shared.feed.targets is not None,
            row_weights=shared.feed.row_weights is not None,
        )

    def start_epoch(self, epoch: int, rate: float, row_base: int) -> None:
        """Set the clocks to an epoch's beginning and the penalty to zero."""
        ops = self._shared.ops
        ops.fill(self.penalty, 0.0)
        for clock in (self.clock, self.evaluation_clock):
            ops.start_epoch(clock, epoch, rate, row_base)

    # What is recorded

    def minibatch(self, rows: int, optimizer: Optimizer) -> Program:
        """Return a step of so many rows that moves the parameters."""
        own = optimizer.through(self._ops)

        def move(index: int, region: Region, gradient: Array) -> None:
            decay = self._decay(index, region, rows)
            own.update(region.place, self._shared.parameters, gradient, self.clock, decay)

        self._gradient_of(rows, move, _Pieces(self._recorder), moves=True)
        self._recorder.barrier()
        return self._recorder.take()

    def full_batch(self, rows: int, rows_at_once: int) -> list[Piece]:
        """Return what leaves J's gradient over so many rows in the team's gradient.

        It is cut where about `rows_at_once` rows have been passed.
        """
        pieces = _Pieces(self._recorder, rows_at_once)

        def decay(index: int, region: Region, gradient: Array) -> None:
            if region.decayed:
                weights = self._shared.parameters[region.place][: region.decayed]
                own = gradient[: region.decayed]
                self._ops.axpby(self._config.weight_decay, weights, 1.0, own)
            self._add_squares(index, region, rows)

        self._gradient_of(rows, decay, pieces, moves=False)
        pieces.end_pass()
        return pieces.all

    def evaluation(self, rows: int) -> Program:
        """Return a pass over so many rows without noise and dropout, and on to the next ones."""
        shared, clock = self._shared, self.evaluation_clock
        feed = replace(shared.evaluation_feed, ops=self._ops)
        for lane in self._own_lanes:
            first = lane.index * shared.evaluation_rows
            count = min(shared.evaluation_rows, rows - first)
            if count > 0:
                tile = self._evaluation_tile.rows_between(0, count)
                own = Rows(shared.order, clock, first, count, shared.evaluation_places)
                feed.load(tile, own)
                self._evaluation_pass.encode(tile, None, lane.sums)
                self._evaluation_pass.decode(tile, None)
                self._evaluation_pass.add_loss(tile, lane.sums)
        self._ops.advance(clock, rows)
        return self._recorder.take()

    def penalties(self, rows: int) -> Program:
        """Return what adds the penalties of so many evaluated rows up, of one thread alone."""
        if self._config.code_rule.reduces:
            self._reduce_code(rows)
        for index, region in enumerate(self._shared.regions):
            self._add_squares(index, region, rows)
        return self._recorder.take()

    # A step

    def _gradient_of(
        self,
        rows: int,
        finish: Callable[[int, Region, Array], None],
        pieces: _Pieces,
        *,
        moves: bool,
    ) -> None:
        """Bring all blocks forward and back; call finish(index, region, gradient) for own regions.

        If that `moves` the parameters, the clock counts the step as soon as its rows are not needed
        any more: on a GPU those of the next one are then brought while this one ends. And the
        gradient of a slice may be kept to this thread if there is one block only.
        """
        blocks = self._lanes.blocks(rows)
        private = moves and len(blocks) == 1 and self._shared.moves_by_slice
        reduces = self._config.code_rule.reduces
        if reduces:
            self._forward_all(rows, blocks, pieces)
        for block in blocks:
            for lane, tile, own in self._tiles(block):
                if not reduces or len(blocks) > 1:
                    self._load(tile, own)
                if not reduces or not self._lanes.keeps_codes:
                    self._pass.encode(tile, own, None if reduces else lane.sums)
                self._backward(lane, tile, own, rows, more=block is not blocks[0])
            last = block is blocks[-1]
            if last and moves:
                self._ops.advance(self.clock, rows)
            self._recorder.barrier()
            for number, (own_slice, gradient) in enumerate(self._own_gradients(private)):
                self._add_gradient(own_slice, rows, block, gradient, last=last)
                if last and self._shared.moves_by_slice:
                    finish(*self._own_regions[number], gradient)
            if last and not self._shared.moves_by_slice:
                for index, region in self._own_regions:
                    finish(index, region, self._shared.gradient[region.place])
            if not last:
                self._recorder.barrier()
            pieces.passed(block)

    def _forward_all(self, rows: int, blocks: list[Block], pieces: _Pieces) -> None:
        """Bring the step's rows to the code and let the penalty on its sums be known."""
        for lane in self._own_lanes:
            self._ops.fill(lane.sums.units, 0.0)
        for block in blocks:
            for lane, tile, own in self._tiles(block):
                self._load(tile, own)
                self._pass.encode(tile, own, lane.sums)
            if len(blocks) > 1:
                pieces.passed(block)
        if len(blocks) > 1:
            pieces.end_pass()
        self._recorder.barrier()
        self._reduce_code(rows)

    def _backward(self, lane: Lane, tile: Tile, own: Rows, rows: int, *, more: bool) -> None:
        slope = self._slope if self._config.code_rule.reduces else None
        self._pass.decode(tile, own)
        m = self._shared.reducer.rows(rows)
        self._pass.backward(tile, m, slope, lane.sums, lane.bias_gradients, more)

    def _reduce_code(self, rows: int) -> None:
        """Add the lanes' sums of the code up, complete them and evaluate the penalty on them."""
        first, *others = (lane.sums.units for lane in self._lanes.all)
        units = self._units if others else first
        if others:
            self._ops.fill(units, 0.0)
            for own in (first, *others):
                self._ops.axpby(1.0, own, 1.0, units)
        self._shared.reducer.code(self._ops, units)
        m = self._shared.reducer.rows(rows)
        self._pass.code_slope(units, m, self._slope, self.penalty)

    def _own_gradients(self, private: bool) -> Iterator[tuple[GradientSlice, Array]]:
        for own in self._own_slices:
            alone = own.weight is None and self._lanes.count == 1  # the lane's are the team's
            private = private and not alone
            yield own, self._gradient[: own.size] if private else self._shared.gradient[own.place]

    def _add_gradient(
        self, own: GradientSlice, rows: int, block: Block, gradient: Array, *, last: bool
    ) -> None:
        """Write a block's share of a slice of the gradient, or add it; reduce it at the last."""
        if own.weight is not None:
            tile = self._lanes.buffers(block, block)
            shape = (own.rows.stop - own.rows.start, -1)
            out, more = gradient.reshape(shape), block.start > 0
            self._pass.weight_gradient(own.weight, tile, own.rows, out, more)
        elif last and self._lanes.count > 1:
            first = self._shared.network.n_weights
            place = slice(own.place.start - first, own.place.stop - first)
            lanes = self._lanes.bias_gradients[: self._lanes.used(rows)]
            self._ops.sum_lanes(lanes, place, gradient)
        if last:
            self._shared.reducer.gradient(self._ops, gradient)

    def _decay(self, index: int, region: Region, rows: int) -> Decay:
        """Return how a region decays, with its sum, to which a move adds rows·Σw²."""
        if not region.decayed:
            return NO_DECAY
        m = float(self._shared.reducer.rows(rows))
        squares = self._shared.squares[index : index + 1]
        return Decay(self._config.weight_decay, region.decayed, squares, m)

    def _add_squares(self, index: int, region: Region, rows: int) -> None:
        """Add rows·Σw² of a region to its sum, if its weights decay."""
        decay = self._decay(index, region, rows)
        if decay.squares is not None:
            weights = self._shared.parameters[region.place][: decay.decayed]
            self._ops.add_squares(weights, decay.factor, decay.squares)

    def _load(self, tile: Tile, own: Rows) -> None:
        replace(self._shared.feed, ops=self._ops).load(tile, own)

    def _tiles(self, block: Block) -> Iterator[tuple[Lane, Tile, Rows]]:
        """Yield this thread's lanes in a block with their tiles and the rows they are about."""
        for lane in self._own_lanes:
            own = self._lanes.tile_of(lane, block)
            if own is not None:
                shared = self._shared
                rows = Rows(shared.order, self.clock, own.start, own.rows, shared.places)
                yield lane, self._lanes.buffers(block, own), rows


class _Pieces:
    """Cuts what is recorded of a full batch; without `rows_at_once` nothing is cut."""

    def __init__(self, recorder: Recorder, rows_at_once: float = math.inf) -> None:
        self.all: list[Piece] = []
        self._recorder, self._rows_at_once = recorder, rows_at_once
        self._rows, self._restarts = 0, True

    def passed(self, block: Block) -> None:
        """Hear that a block's rows have been passed."""
        self._rows += block.rows
        if self._rows >= self._rows_at_once:
            self._cut()

    def end_pass(self) -> None:
        """Cut what is left, if anything is cut at all: the next rows are the first ones again."""
        if self._rows and self._rows_at_once < math.inf:
            self._cut()
        self._restarts = True

    def _cut(self) -> None:
        self.all.append(Piece(self._recorder.take(), self._rows, self._restarts))
        self._rows, self._restarts = 0, False
