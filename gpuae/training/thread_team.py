"""The team of this machine's threads.

Each thread has a program for every kind of step (see `member`) and replays it, so the interpreter
is not needed before a portion of an epoch is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import START, Array, Ops, Program
from gpuae.config import Config
from gpuae.memory import data_memory
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.objective import Totals
from gpuae.model.preprocess import Preprocess
from gpuae.model.propagation import Propagation
from gpuae.storage.pages import hand_back, is_large
from gpuae.training.batches import Order, step_sizes
from gpuae.training.crew import Crew
from gpuae.training.lanes import EVALUATION_ROWS, Lanes, cut_into_parts, new_worker
from gpuae.training.member import Common, Member, add_squares, reduce_code
from gpuae.training.optimizers import Optimizer
from gpuae.training.state import State
from gpuae.training.supply import Resident
from gpuae.training.windows import Windows

T = TypeVar("T")

STRETCH_BYTES = 2 << 20
"""Of a large map so much is worked on in order before its pages are handed back."""


class ThreadTeam:
    """A `Team` of threads.

    Parameters
    ----------
    x
        All rows (n, d) of the data, of any real type.
    parameters
        The flat vector on the device.
    batch
        Rows of a whole step.
    steps_done
        Steps that the optimizer has taken before.
    """

    def __init__(
        self,
        ops: Ops,
        network: Network,
        config: Config,
        preprocess: Preprocess,
        x: NDArray[Any],
        parameters: Array,
        *,
        batch: int,
        threads: int,
        steps_done: int = 0,
    ) -> None:
        self._ops, self.network, self._config = ops, network, config
        memory = data_memory(config.memory)
        self._x, self._large = x, is_large(x, memory)
        self._rows_at_once = len(x)
        if self._large:
            self._rows_at_once = max(1, STRETCH_BYTES // (x.itemsize * x.shape[1]))
        self._supply: Windows | Resident = Resident(ops, x)
        if self._large and not config.full_batch:
            self._supply = Windows(x, batch, memory)
        self.parameters = parameters
        self.gradient = ops.zeros((network.size,), config.dtype)
        lanes = Lanes(ops, network, config, batch)
        parts = cut_into_parts(network, lanes.count)
        self._common = Common(
            ops=ops,
            network=network,
            config=config,
            feed=Feed.create(ops, self._supply.source, preprocess, config, noisy=True),
            x=ops.asarray(x),
            lanes=lanes,
            parts=parts,
            order=ops.zeros((len(x),), "int64"),
            places=self._supply.places,
            parameters=parameters,
            gradient=self.gradient,
            squares=ops.zeros((len(parts),), "float64"),
        )
        self._crew = Crew(max(1, min(threads, lanes.count)))
        size = self._crew.size
        self._workers = [new_worker(ops, network, config, parts, steps_done) for _ in range(size)]
        recorders = ops.recorders(size, self._crew.meet)
        self._members = [
            Member(self._common, worker, recorder, index, size)
            for index, (worker, recorder) in enumerate(zip(self._workers, recorders, strict=True))
        ]
        self._programs: dict[tuple[object, ...], list[Any]] = {}
        self._contexts = ExitStack()

    def __enter__(self) -> Self:
        self._contexts.enter_context(self._ops.session())
        self._contexts.enter_context(self._crew)
        if isinstance(self._supply, Windows):
            self._contexts.enter_context(self._supply)
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.close()

    # What a trainer asks for

    def start_epoch(self, order: Order, epoch: int, rate: float, row_base: int = 0) -> None:
        """Set the order of the rows and the learning rate, and all totals to zero."""
        self._begin(order, epoch, rate, row_base)
        self._supply.start(order)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for worker in self._workers:
            self._ops.fill(worker.clock.rate, rate)

    def run(self, steps: Sequence[int], optimizer: Optimizer) -> None:
        """Take steps of so many rows each, from where the order stands."""
        for rows, run in groupby(steps):
            programs = self._programs_of(Member.step, rows, optimizer)
            self._supply.replay(_Together(self._crew, programs), rows, len(list(run)))
            self._hand_back()

    def state(self) -> State:
        """Return where the epoch stands, and what was added up in it."""
        lanes, worker = self._common.lanes.all, self._workers[0]
        return {
            "counters": self._ops.to_host(worker.clock.counters),
            "rate": self._ops.to_host(worker.clock.rate),
            "loss": np.array([self._scalar(lane.sums.loss) for lane in lanes]),
            "absolute_code": np.array([self._scalar(lane.sums.absolute_code) for lane in lanes]),
            "squares": self._ops.to_host(self._common.squares),
            "kl": self._ops.to_host(worker.kl),
        }

    def restore(self, order: Order, state: State) -> None:
        """Go on within an epoch of the same order."""
        self._begin(order)
        assign = self._ops.assign
        for worker in self._workers:
            assign(worker.clock.counters, state["counters"])
            assign(worker.clock.rate, state["rate"])
            assign(worker.kl, state["kl"])
        for index, lane in enumerate(self._common.lanes.all):
            assign(lane.sums.loss, state["loss"][index : index + 1])
            assign(lane.sums.absolute_code, state["absolute_code"][index : index + 1])
        assign(self._common.squares, state["squares"])
        self._supply.start(order, int(state["counters"][START]))

    def totals(self, rows: int) -> Totals:
        """Return what was added up since the epoch started, over so many rows."""
        lanes = self._common.lanes.all
        return Totals(
            rows=rows,
            loss=sum(self._scalar(lane.sums.loss) for lane in lanes),
            absolute_code=sum(self._scalar(lane.sums.absolute_code) for lane in lanes),
            squared_weights=float(self._ops.to_host(self._common.squares).sum()),
            kl=self._scalar(self._workers[0].kl),
        )

    def full_gradient(self, order: Order) -> Totals:
        """Compute J's gradient over all these rows at once, into `self.gradient`."""
        rows = len(order)
        self._begin(order)
        stretches = self._programs_of(Member.full_gradient, rows, self._rows_at_once)
        for programs in zip(*stretches, strict=True):
            self._replay(programs, 1)
        return self.totals(rows)

    def evaluate(self, order: Order) -> Totals:
        """Return the sums of J over these rows without noise or dropout; parameters stay."""
        rows, common = len(order), self._common
        self._begin(order)
        rounds = step_sizes(rows, common.lanes.count * EVALUATION_ROWS)
        for count, times in self._at_once(rounds):
            self._replay(self._programs_of(Member.evaluation, count), times)
        if self._config.sparsity == "kl":
            views = self.network.views(self.parameters)
            own_pass = Propagation(self._ops, self.network, self._config, views)
            reduce_code(own_pass, common.lanes, self._workers[0], rows)
        for index, part in enumerate(common.parts):
            add_squares(self._ops, common, index, part, rows)
        return self.totals(rows)

    # How it comes about

    def _begin(self, order: Order, epoch: int = 0, rate: float = 0.0, row_base: int = 0) -> None:
        """Go to the first row of an order, with all sums at zero."""
        self._ops.assign(self._common.order[: len(order)], order)
        self._ops.fill(self._common.squares, 0.0)
        for lane in self._common.lanes.all:
            lane.sums.clear(self._ops)
        for worker in self._workers:
            self._ops.fill(worker.kl, 0.0)
            for clock in (worker.clock, worker.still_clock):
                self._ops.start_epoch(clock, epoch, rate, row_base)

    def _programs_of(self, write: Callable[..., T], *arguments: object) -> list[T]:
        """Return what every member has for a kind of step; each is written once."""
        kind = (write, *arguments)
        if kind not in self._programs:
            self._programs[kind] = [write(member, *arguments) for member in self._members]
        return self._programs[kind]

    def _at_once(self, steps: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield how many rows a step has and how often it comes, as often as may be at once."""
        for rows, run in groupby(steps):
            left, most = len(list(run)), max(1, self._rows_at_once // rows)
            while left:
                times = min(left, most)
                yield rows, times
                left -= times

    def _replay(self, programs: Sequence[Program], times: int) -> None:
        """Let every member replay its program, so many times, on rows of the whole matrix."""
        _Together(self._crew, programs).replay(times)
        self._hand_back()

    def _hand_back(self) -> None:
        if self._large:
            hand_back(self._x)

    def _scalar(self, array: Array) -> float:
        return float(self._ops.to_host(array)[0])


@dataclass(frozen=True)
class _Together:
    """The programs of all members."""

    crew: Crew
    programs: Sequence[Program]

    def replay(self, times: int) -> None:
        """Let every member replay its own."""
        self.crew.run(lambda index: self.programs[index].replay(times))
