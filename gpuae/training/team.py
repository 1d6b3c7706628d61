"""Who computes: the threads of a machine, or a GPU.

A team runs many steps on its own, and nothing returns to the trainer before it asks for the totals.
Parameters, gradient and sums stay on the device. Each thread has a program for every kind of step
(see `step`) and replays it, so the interpreter is not needed before a portion of an epoch is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Self, TypeVar

from numpy.typing import NDArray

from gpuae.backends.ops import START, Array, Ops, Program
from gpuae.config import Config
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.objective import Totals
from gpuae.model.preprocess import Preprocess
from gpuae.training.batches import Order, step_sizes
from gpuae.training.lanes import Lanes
from gpuae.training.loader import Loader
from gpuae.training.optimizers import Optimizer
from gpuae.training.reducer import LocalReducer, Reducer
from gpuae.training.slices import gradient_slices, joined_regions, regions_of
from gpuae.training.state import State
from gpuae.training.step import Piece, Shared, Step
from gpuae.training.thread_pool import ThreadPool

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """What a team works on.

    Attributes
    ----------
    x
        All rows (n, d) of the data, of any real type.
    parameters
        The flat vector on the device, moved in place.
    batch
        Rows of a whole step.
    steps_done
        Steps that the optimizer has taken before.
    targets
        What the outputs for rows should be, (n, outputs); None: the rows themselves.
    row_weights
        How much each row counts, (n,), 1 on average over the rows of a pass; None: all the same.
    reducer
        Completes sums over rows of a step that are computed elsewhere.
    """

    ops: Ops
    network: Network
    config: Config
    preprocess: Preprocess
    x: NDArray[Any]
    parameters: Array
    batch: int
    steps_done: int = 0
    targets: NDArray[Any] | None = None
    row_weights: NDArray[Any] | None = None
    reducer: Reducer = field(default_factory=LocalReducer)


@dataclass(frozen=True)
class Layout:
    """How a team shares its work out; nothing but `threads` and `rows_at_once` is free of bits.

    Attributes
    ----------
    threads
        At most.
    lanes, tile_rows
        How many lanes there are, and rows that each has of a block.
    evaluation_rows
        Of a lane, in evaluation.
    rows_at_once
        Of a full batch, about, for which there is one program.
    moves_by_slice
        See `step.Shared`.
    queues
        Whether steps are queued for a device, which works on them while the host goes on.
    """

    threads: int
    lanes: int
    tile_rows: int
    evaluation_rows: int
    rows_at_once: int
    moves_by_slice: bool
    queues: bool = False


class Team:
    """Trains and evaluates one network on the rows of one matrix; a context manager.

    Parameters
    ----------
    loader, evaluation_loader
        Of the rows that steps take, and of those that are evaluated.

    Attributes
    ----------
    gradient
        The flat gradient of the last `full_gradient`.
    queues
        As the layout says.
    """

    def __init__(self, job: Job, layout: Layout, loader: Loader, evaluation_loader: Loader) -> None:
        self._ops, self._config, self._layout = job.ops, job.config, layout
        self._loader, self._evaluation_loader = loader, evaluation_loader
        self._reducer = job.reducer
        self.network, self.parameters, self.queues = job.network, job.parameters, layout.queues
        self.gradient = job.ops.zeros((job.network.size,), job.config.dtype)
        self._shared = self._share(job)
        self._pool = ThreadPool(max(1, min(layout.threads, layout.lanes)))
        size = self._pool.size
        self._steps = [
            Step(self._shared, recorder, index, size, job.steps_done)
            for index, recorder in enumerate(job.ops.recorders(size, self._pool.barrier))
        ]
        self._programs: dict[tuple[object, ...], list[Any]] = {}
        self._contexts = ExitStack()

    def _share(self, job: Job) -> Shared:
        """Allocate what all threads work on."""
        ops, network, config, layout = job.ops, job.network, job.config, self._layout
        slices = gradient_slices(network, layout.lanes)
        cut = regions_of if layout.moves_by_slice else joined_regions
        regions = cut(slices, decay=config.weight_decay > 0)
        nothing = job.x[:0]  # what there is has its place on the device already
        feed = Feed.create(
            ops,
            nothing,
            job.preprocess,
            config,
            noisy=True,
            targets=job.targets,
            row_weights=_column(job.row_weights, config.dtype),
        )
        return Shared(
            ops=ops,
            network=network,
            config=config,
            feed=replace(feed, source=self._loader.source),
            evaluation_feed=replace(feed, source=self._evaluation_loader.source, noise=None),
            lanes=Lanes(
                ops,
                network,
                config,
                job.batch,
                layout.tile_rows,
                layout.lanes,
                self.gradient,
                targets=job.targets is not None,
                row_weights=job.row_weights is not None,
            ),
            slices=slices,
            regions=regions,
            order=ops.zeros((len(job.x),), "int64"),
            places=self._loader.places,
            evaluation_places=self._evaluation_loader.places,
            parameters=job.parameters,
            gradient=self.gradient,
            squares=ops.zeros((len(regions),), "float64"),
            reducer=self._reducer,
            evaluation_rows=layout.evaluation_rows,
            moves_by_slice=layout.moves_by_slice,
        )

    def __enter__(self) -> Self:
        self._contexts.enter_context(self._ops.session())
        self._contexts.enter_context(self._pool)
        self._contexts.enter_context(self._loader)
        if self._evaluation_loader is not self._loader:
            self._contexts.enter_context(self._evaluation_loader)
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.close()
        self._programs.clear()

    # What a trainer asks for

    def start_epoch(self, order: Order, epoch: int, rate: float, row_base: int = 0) -> None:
        """Set the order of the rows and the learning rate, and all totals to zero.

        `row_base` is the number that the first row of the matrix has in the data.
        """
        self._begin(order, epoch, rate, row_base)
        self._loader.start(order)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for step in self._steps:
            self._ops.fill(step.clock.rate, rate)

    def run(self, steps: Sequence[int], optimizer: Optimizer) -> None:
        """Take steps of so many rows each, from where the order stands.

        A caller that wants to hear of Ctrl-C sooner asks for fewer.
        """
        for rows, run in groupby(steps):
            programs = self._programs_of(Step.minibatch, rows, optimizer)
            self._loader.replay(_Together(self._pool, programs), rows, len(list(run)))

    def state(self) -> State:
        """Return where the epoch stands, and what was added up in it."""
        own, to_host = self._steps[0], self._ops.to_host
        return {
            "counters": to_host(own.clock.counters),
            "rate": to_host(own.clock.rate),
            "lanes": to_host(self._shared.lanes.totals),
            "squares": to_host(self._shared.squares),
            "penalty": to_host(own.penalty),
        }

    def restore(self, order: Order, state: State) -> None:
        """Go on within an epoch of the same order."""
        self._begin(order)
        assign = self._ops.assign
        for step in self._steps:
            assign(step.clock.counters, state["counters"])
            assign(step.clock.rate, state["rate"])
            assign(step.penalty, state["penalty"])
        assign(self._shared.lanes.totals, state["lanes"])
        assign(self._shared.squares, state["squares"])
        self._loader.start(order, int(state["counters"][START]))

    def totals(self, rows: int) -> Totals:
        """Return what was added up since the epoch started, over so many rows."""
        lanes = self._ops.to_host(self._shared.lanes.totals)
        squares, penalty = 0.0, 0.0
        if any(region.decayed for region in self._shared.regions):
            squares = float(self._ops.to_host(self._shared.squares).sum())
        if self._config.code_rule.reduces:
            penalty = float(self._ops.to_host(self._steps[0].penalty)[0])
        return self._reducer.totals(
            Totals(
                rows=rows,
                loss=sum(lanes[:, 0].tolist()),
                code=sum(lanes[:, 1].tolist()),
                squared_weights=squares,
                penalty=penalty,
            )
        )

    def full_gradient(self, order: Order) -> Totals:
        """Compute J and its gradient over all these rows at once.

        Where the rule for the code needs sums of all rows, they are passed twice: the encoder for
        the exact sums, then everything. Noise and dropout are those of epoch 0.
        """
        rows = len(order)
        self._begin(order)
        cut = self._programs_of(Step.full_batch, rows, self._layout.rows_at_once)
        for pieces in zip(*cut, strict=True):
            self._pass_piece(order, pieces)
        return self.totals(rows)

    def evaluate(self, order: Order) -> Totals:
        """Return the sums of J over these rows without noise or dropout; parameters stay."""
        rows, layout = len(order), self._layout
        self._begin(order)
        self._evaluation_loader.start(order)
        for count, run in groupby(step_sizes(rows, layout.lanes * layout.evaluation_rows)):
            programs = self._programs_of(Step.evaluation, count)
            together = _Together(self._pool, programs)
            self._evaluation_loader.replay(together, count, len(list(run)))
        if self._config.weight_decay or self._config.code_rule.reduces:
            self._steps[0].penalties(rows).replay(1)
        return self.totals(rows)

    # How it comes about

    def _begin(self, order: Order, epoch: int = 0, rate: float = 0.0, row_base: int = 0) -> None:
        """Go to the first row of an order, with all sums at zero."""
        shared = self._shared
        self._ops.assign(shared.order[: len(order)], order)
        self._ops.fill(shared.squares, 0.0)
        self._ops.fill(shared.lanes.totals, 0.0)
        for lane in shared.lanes.all:
            self._ops.fill(lane.sums.units, 0.0)
        for step in self._steps:
            step.start_epoch(epoch, rate, row_base)

    def _pass_piece(self, order: Order, pieces: Sequence[Piece]) -> None:
        if pieces[0].restarts:
            self._loader.start(order)
        together = _Together(self._pool, [own.program for own in pieces])
        self._loader.replay(together, pieces[0].rows, 1)

    def _programs_of(self, record: Callable[..., T], *arguments: object) -> list[T]:
        """Return what every thread has for a kind of step; each is recorded once."""
        kind = (record, *arguments)
        if kind not in self._programs:
            self._programs[kind] = [record(step, *arguments) for step in self._steps]
        return self._programs[kind]


def _column(values: NDArray[Any] | None, dtype: str) -> NDArray[Any] | None:
    """Return values (n,) as a matrix (n, 1)."""
    return None if values is None else values.astype(dtype)[:, None]


@dataclass(frozen=True)
class _Together:
    """The programs of all threads."""

    pool: ThreadPool
    programs: Sequence[Program]

    def replay(self, times: int) -> None:
        """Let every thread replay its own."""
        self.pool.run(lambda index: self.programs[index].replay(times))
