"""What one thread of a team does in a step, written down as a program.

It brings its lanes' tiles forward and back, with single-threaded products in data that stay in its
cache. When all tiles are done it computes its parts of the gradient and moves their parameters. A
step with a KL penalty meets three times (all codes summed, all deltas ready, all parameters moved),
another one twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gpuae.backends.ops import Array, Ops, Program, Recorder, Rows
from gpuae.config import Config
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.propagation import Propagation
from gpuae.model.tile import Tile
from gpuae.training.lanes import EVALUATION_ROWS, Block, Lane, Lanes, Part, Worker
from gpuae.training.optimizers import Optimizer


@dataclass(frozen=True)
class Common:
    """What all members of a team work on.

    Attributes
    ----------
    feed
        Of the rows that steps take, which are where the supply has them.
    x
        All rows.
    order
        Numbers of the rows of an epoch, from the buffer's start.
    places
        Where the rows of an epoch are in the feed's source; None: at their numbers.
    squares
        Σ rows·w² of each part, (parts,), float64.
    """

    ops: Ops
    network: Network
    config: Config
    feed: Feed
    x: Array
    lanes: Lanes
    parts: list[Part]
    order: Array
    places: Array | None
    parameters: Array
    gradient: Array
    squares: Array


class Member:
    """One of `size` members; it takes every size-th lane and part."""

    def __init__(
        self, common: Common, worker: Worker, recorder: Recorder, index: int, size: int
    ) -> None:
        self._common, self._worker, self._recorder = common, worker, recorder
        self._config, self._lanes, self._ops = common.config, common.lanes, recorder.ops
        self._feed = replace(common.feed, ops=self._ops)
        views = common.network.views(common.parameters)
        self._pass = Propagation(self._ops, common.network, common.config, views)
        self._own_lanes = common.lanes.all[index::size]
        self._own_parts = list(enumerate(common.parts))[index::size]

    def step(self, rows: int, optimizer: Optimizer) -> Program:
        """Return a step of so many rows."""
        common, clock = self._common, self._worker.clock
        own = optimizer.through(self._ops)

        def move(index: int, part: Part, gradient: Array) -> None:
            decay = self._config.weight_decay if part.layer is not None else 0.0
            add_squares(self._ops, self._common, index, part, rows)
            own.update(part.place, common.parameters, gradient, clock, decay)

        self._pass_rows(rows, self._worker.gradient, move)
        self._ops.advance(clock, rows)
        self._recorder.meet()
        return self._recorder.take()

    def full_gradient(self, rows: int, at_once: int) -> list[Program]:
        """Return the pass that leaves J's gradient over so many rows in the team's gradient.

        It is a program for about `at_once` rows after the other.
        """
        programs, passed = [], 0

        def cut(block: Block) -> None:
            nonlocal passed
            passed += block.stop - block.start
            if passed >= at_once:
                programs.append(self._recorder.take())
                passed = 0

        def decay(index: int, part: Part, gradient: Array) -> None:
            if self._config.weight_decay and part.layer is not None:
                weights = self._common.parameters[part.place]
                self._ops.axpby(self._config.weight_decay, weights, 1.0, gradient)
            add_squares(self._ops, self._common, index, part, rows)

        self._pass_rows(rows, None, decay, cut)
        return [*programs, self._recorder.take()]

    def evaluation(self, rows: int) -> Program:
        """Return a pass over so many rows without noise and dropout, and on to the next ones."""
        clean, clock = (
            replace(self._feed, source=self._common.x, noise=None),
            self._worker.still_clock,
        )
        for lane in self._own_lanes:
            first = lane.index * EVALUATION_ROWS
            count = min(EVALUATION_ROWS, rows - first)
            if count > 0:
                tile = self._worker.still.rows_between(0, count)
                clean.load(tile, Rows(self._common.order, clock, first, count))
                self._pass.encode(tile, None, lane.sums)
                self._pass.decode(tile, None)
                self._pass.add_loss(tile, lane.sums)
        self._ops.advance(clock, rows)
        return self._recorder.take()

    # A step

    def _pass_rows(
        self,
        rows: int,
        own_gradient: Array | None,
        finish: Callable[[int, Part, Array], None],
        passed: Callable[[Block], None] = lambda _: None,
    ) -> None:
        """Bring all blocks forward and back; call finish(index, part, gradient) for own parts.

        The gradient of a part is in `own_gradient` if that is enough: if there is one block only.
        passed(block) is called whenever a block has been read.
        """
        blocks = self._lanes.blocks(rows)
        slope = self._kl_slope(rows, blocks, passed) if self._config.sparsity == "kl" else None
        for block in blocks:
            for lane, tile, place in self._tiles(block):
                if slope is None or len(blocks) > 1:
                    self._feed.load(tile, place)
                if slope is None or not self._lanes.keeps_codes:
                    self._pass.encode(tile, place, lane.sums if slope is None else None)
                self._pass.decode(tile, place)
                first = block is blocks[0]
                self._pass.backward(tile, rows, slope, lane.sums, lane.bias_gradients, not first)
            self._recorder.meet()
            for index, part in self._own_parts:
                gradient = self._common.gradient[part.place]
                if own_gradient is not None and len(blocks) == 1:
                    gradient = own_gradient[: part.size]
                self._add_part(part, rows, blocks, block, gradient)
                if block is blocks[-1]:
                    finish(index, part, gradient)
            if block is not blocks[-1]:
                self._recorder.meet()
            passed(block)

    def _kl_slope(self, rows: int, blocks: list[Block], passed: Callable[[Block], None]) -> Array:
        """Bring the step's rows to the code, agree on ρ̂ and return the penalty's derivative."""
        for lane in self._own_lanes:
            self._ops.fill(lane.sums.code, 0.0)
        for block in blocks:
            for lane, tile, place in self._tiles(block):
                self._feed.load(tile, place)
                self._pass.encode(tile, place, lane.sums)
            passed(block)
        self._recorder.meet()
        reduce_code(self._pass, self._lanes, self._worker, rows)
        return self._worker.slope

    def _add_part(
        self, part: Part, rows: int, blocks: list[Block], block: Block, gradient: Array
    ) -> None:
        """Write a block's share of a part's gradient, or add it."""
        if part.layer is not None:
            tile = self._lanes.buffers(block, block)
            shape = (part.rows.stop - part.rows.start, -1)
            more = block is not blocks[0]
            weight = self._common.network.layers[part.layer].weight
            self._pass.weight_gradient(weight, tile, part.rows, gradient.reshape(shape), more)
        elif block is blocks[-1]:
            lanes = self._lanes.bias_gradients[: self._lanes.used(rows)]
            everything = slice(0, part.size)
            biases = self._common.parameters[part.place]
            self._ops.total_gradient(lanes, everything, biases, 0.0, 0, gradient)

    def _tiles(self, block: Block) -> Iterator[tuple[Lane, Tile, Rows]]:
        """Yield this member's lanes in a block with their tiles and the rows they are about."""
        for lane in self._own_lanes:
            own = self._lanes.tile_of(lane, block)
            if own is not None:
                count = own.stop - own.start
                common, clock = self._common, self._worker.clock
                place = Rows(common.order, clock, own.start, count, common.places)
                yield lane, self._lanes.buffers(block, own), place


def reduce_code(own_pass: Propagation, lanes: Lanes, worker: Worker, rows: int) -> None:
    """Add the lanes' sums of the code up and evaluate the KL penalty over so many rows."""
    own_pass.ops.fill(worker.code_sums, 0.0)
    for lane in lanes.all:
        own_pass.ops.axpby(1.0, lane.sums.code, 1.0, worker.code_sums)
    own_pass.add_kl(worker.code_sums, rows, worker.slope, worker.kl)


def add_squares(ops: Ops, common: Common, index: int, part: Part, rows: int) -> None:
    """Add rows·Σw² of a part to its sum, if the weights decay."""
    if common.config.weight_decay and part.layer is not None:
        weights = common.parameters[part.place]
        ops.add_squares(weights, float(rows), common.squares[index : index + 1])
