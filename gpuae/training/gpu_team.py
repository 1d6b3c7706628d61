"""The team of one GPU: all rows of a step at once, from a queue that the host only fills.

A step is written down once, as the threads of a machine do it (see `member`), and becomes a
captured graph. Between steps the host waits for nothing; sums stay on the device until they are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import START, STEP, Array, Clock, DeviceOps, Program, Rows
from gpuae.config import Config
from gpuae.errors import DeviceError
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.objective import Totals
from gpuae.model.preprocess import Preprocess
from gpuae.model.propagation import Propagation, Sums
from gpuae.model.tile import Tile
from gpuae.training.batches import Order, step_sizes
from gpuae.training.footprint import bytes_needed
from gpuae.training.optimizers import Optimizer
from gpuae.training.state import State
from gpuae.training.supply import supply

BLOCK_ROWS = 16_384
"""Rows of a full batch that are on their way at once."""
STILL_ROWS = 4096
"""Rows of evaluation that are on their way at once, about."""


class GpuTeam:
    """A `Team` of one GPU; parameters as for `ThreadTeam`."""

    def __init__(
        self,
        ops: DeviceOps,
        network: Network,
        config: Config,
        preprocess: Preprocess,
        x: NDArray[Any],
        parameters: Array,
        *,
        batch: int,
        steps_done: int = 0,
    ) -> None:
        self._ops, self.network, self._config = ops, network, config
        self.parameters = parameters
        self._step_rows = min(batch, BLOCK_ROWS) if config.full_batch else batch
        self._still_rows = self._step_rows * max(1, STILL_ROWS // self._step_rows)
        needed = self._bytes_needed(len(x))
        self.gradient = ops.zeros((network.size,), config.dtype)
        self._tile = Tile.allocate(ops, network, config, self._step_rows, training=True)
        self._still = Tile.allocate(ops, network, config, self._still_rows, training=False)
        self._totals = ops.zeros((4,), "float64")
        loss, absolute, self._squares, self._kl = (self._totals[i : i + 1] for i in range(4))
        self._sums = Sums(loss, absolute, ops.zeros((network.code_size,), "float64"))
        self._slope = ops.empty((network.code_size,), config.dtype)
        counters = np.zeros(4, np.int64)
        counters[STEP] = steps_done
        self._clock = Clock(ops.asarray(counters), ops.zeros((1,), "float64"))
        self._still_clock = Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64"))
        self._order = ops.zeros((len(x),), "int64")
        self._supply = supply(ops, x, unit=self._still_rows, reserve=needed)
        (recorder,) = ops.recorders(1, lambda: None)
        self._recorder, recorded = recorder, recorder.ops
        feed = Feed.create(ops, x[:0], preprocess, config, noisy=True)
        self._feed = replace(feed, ops=recorded, source=self._supply.source)
        self._pass = Propagation(recorded, network, config, network.views(parameters))
        self._programs: dict[tuple[object, ...], Program] = {}
        self._contexts = ExitStack()

    def _bytes_needed(self, rows: int) -> int:
        """Return the bytes that training takes beside the data; refuse what does not fit."""
        held = self._step_rows + self._still_rows
        needed = bytes_needed(self.network, self._config, held) + 8 * rows
        room = self._ops.room()
        if needed > room:
            raise DeviceError(
                f"device={self._ops.device()} is too full: training this network needs "
                f"{needed / 2**30:.3g} GiB and {max(0, room) / 2**30:.3g} GiB are free; lower "
                "batch_size or hidden, or use device=cpu"
            )
        return needed

    def __enter__(self) -> Self:
        self._contexts.enter_context(self._ops.session())
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.close()
        self._programs.clear()

    # What a trainer asks for

    def start_epoch(self, order: Order, epoch: int, rate: float, row_base: int = 0) -> None:
        """Set the order of the rows and the learning rate, and all totals to zero."""
        self._ops.assign(self._order[: len(order)], order)
        self._ops.fill(self._totals, 0.0)
        self._ops.fill(self._sums.code, 0.0)
        self._rewind(order, epoch, rate, row_base)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        self._ops.fill(self._clock.rate, rate)

    def run(self, steps: Sequence[int], optimizer: Optimizer) -> None:
        """Take steps of so many rows each, from where the order stands."""
        self._replay(steps, self._write_step, optimizer)

    def state(self) -> State:
        """Return where the epoch stands, and what was added up in it."""
        return {
            "counters": self._ops.to_host(self._clock.counters),
            "rate": self._ops.to_host(self._clock.rate),
            "totals": self._ops.to_host(self._totals),
        }

    def restore(self, order: Order, state: State) -> None:
        """Go on within an epoch of the same order."""
        self.start_epoch(order, epoch=0, rate=0.0)
        self._ops.assign(self._clock.counters, state["counters"])
        self._ops.assign(self._clock.rate, state["rate"])
        self._ops.assign(self._totals, state["totals"])
        self._supply.start(order, int(state["counters"][START]))

    def totals(self, rows: int) -> Totals:
        """Return what was added up since the epoch started, over so many rows."""
        loss, absolute, squares, kl = self._ops.to_host(self._totals)
        return Totals(rows, float(loss), float(absolute), float(squares), float(kl))

    def full_gradient(self, order: Order) -> Totals:
        """Compute J's gradient over all these rows at once, into `self.gradient`."""
        rows = len(order)
        self.start_epoch(order, epoch=0, rate=0.0)
        blocks = step_sizes(rows, self._step_rows)
        if len(blocks) == 1:
            self._replay(blocks, self._write_gradient)
        else:
            if self._config.sparsity == "kl":
                self._replay(blocks, self._write_codes)
                self._program(self._write_slope, rows).replay(1)
                self._rewind(order)
            self._replay(blocks[:1], self._write_block, rows, False)
            self._replay(blocks[1:], self._write_block, rows, True)
        self._program(self._write_decay, rows).replay(1)
        return self.totals(rows)

    def evaluate(self, order: Order) -> Totals:
        """Return the sums of J over these rows without noise or dropout; parameters stay."""
        rows = len(order)
        self.start_epoch(order, epoch=0, rate=0.0)
        self._replay(step_sizes(rows, self._still_rows), self._write_evaluation)
        self._program(self._write_penalties, rows).replay(1)
        return self.totals(rows)

    # How it comes about

    def _rewind(self, order: Order, epoch: int = 0, rate: float = 0.0, row_base: int = 0) -> None:
        """Go back to the first row of the order."""
        for clock in (self._clock, self._still_clock):
            self._ops.start_epoch(clock, epoch, rate, row_base)
        self._supply.start(order)

    def _replay(self, steps: Sequence[int], write: Callable[..., None], *arguments: object) -> None:
        """Replay what write(rows, …) writes down, for each step."""
        for rows, run in groupby(steps):
            program = self._program(write, rows, *arguments)
            self._supply.replay(program, rows, len(list(run)))

    def _program(self, write: Callable[..., None], *arguments: object) -> Program:
        """Return what write(…) writes down; it is called once."""
        kind = (write.__name__, *arguments)
        if kind not in self._programs:
            write(*arguments)
            self._programs[kind] = self._recorder.take()
        return self._programs[kind]

    # What is written down

    def _write_step(self, rows: int, optimizer: Optimizer) -> None:
        self._write_gradient(rows)
        own, decay = optimizer.through(self._recorder.ops), self._config.weight_decay
        weights = slice(0, self.network.n_weights if decay else self.network.size)
        if decay:
            biases = slice(weights.stop, self.network.size)
            self._add_squares(rows)
            own.update(biases, self.parameters, self.gradient[biases], self._clock)
        own.update(weights, self.parameters, self.gradient[weights], self._clock, decay)
        self._recorder.ops.advance(self._clock, rows)

    def _write_gradient(self, rows: int) -> None:
        """Bring rows forward and back, all that the step has."""
        tile, place = self._load(rows)
        kl = self._config.sparsity == "kl"
        if kl:
            self._recorder.ops.fill(self._sums.code, 0.0)
        self._pass.encode(tile, place, self._sums)
        if kl:
            self._write_slope(rows)
        self._write_backward(tile, place, rows, accumulate=False)

    def _write_codes(self, rows: int) -> None:
        tile, place = self._load(rows)
        self._pass.encode(tile, place, self._sums)
        self._recorder.ops.advance(self._clock, rows)

    def _write_slope(self, rows_of_step: int) -> None:
        self._pass.add_kl(self._sums.code, rows_of_step, self._slope, self._kl)

    def _write_block(self, rows: int, rows_of_step: int, accumulate: bool) -> None:
        """Bring some of the step's rows forward and back, when ρ̂ is known."""
        tile, place = self._load(rows)
        self._pass.encode(tile, place, None if self._config.sparsity == "kl" else self._sums)
        self._write_backward(tile, place, rows_of_step, accumulate)
        self._recorder.ops.advance(self._clock, rows)

    def _write_backward(self, tile: Tile, place: Rows, rows_of_step: int, accumulate: bool) -> None:
        views = self.network.views(self.gradient)
        biases = tuple(view.bias for view in views)
        slope = self._slope if self._config.sparsity == "kl" else None
        self._pass.decode(tile, place)
        self._pass.backward(tile, rows_of_step, slope, self._sums, biases, accumulate)
        for index, layer in enumerate(self.network.layers):
            if not layer.transposed:
                out = views[index].weight
                self._pass.weight_gradient(layer.weight, tile, slice(None), out, accumulate)

    def _write_decay(self, rows: int) -> None:
        if self._config.weight_decay:
            weights = slice(0, self.network.n_weights)
            decay, own = self._config.weight_decay, self.parameters[weights]
            self._recorder.ops.axpby(decay, own, 1.0, self.gradient[weights])
            self._add_squares(rows)

    def _write_evaluation(self, rows: int) -> None:
        tile = self._still.rows_between(0, rows)
        place = Rows(self._order, self._still_clock, 0, rows, self._supply.places)
        replace(self._feed, noise=None).load(tile, place)
        self._pass.encode(tile, None, self._sums)
        self._pass.decode(tile, None)
        self._pass.add_loss(tile, self._sums)
        self._recorder.ops.advance(self._still_clock, rows)

    def _write_penalties(self, rows: int) -> None:
        if self._config.sparsity == "kl":
            self._write_slope(rows)
        if self._config.weight_decay:
            self._add_squares(rows)

    def _load(self, rows: int) -> tuple[Tile, Rows]:
        tile = self._tile.rows_between(0, rows)
        place = Rows(self._order, self._clock, 0, rows, self._supply.places)
        self._feed.load(tile, place)
        return tile, place

    def _add_squares(self, rows: int) -> None:
        weights = self.parameters[: self.network.n_weights]
        self._recorder.ops.add_squares(weights, float(rows), self._squares)
