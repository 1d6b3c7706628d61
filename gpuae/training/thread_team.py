"""The team of this machine's threads: each computes whole tiles, alone.

A thread takes whole lanes (see `lanes`): it brings a tile forward and back with single-threaded
products, in data that stay in its cache. Then the lanes are summed and the parameters moved, part
by part of the flat vector, by whichever thread the part falls to. A step with a KL penalty meets
three times (all codes summed, all gradients ready, all parameters moved), another one twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

from numpy.typing import NDArray

from gpuae.backends.ops import Array, Ops, Rows
from gpuae.config import Config
from gpuae.model.feed import Feed
from gpuae.model.network import Network
from gpuae.model.objective import Totals
from gpuae.model.preprocess import Preprocess
from gpuae.model.propagation import Propagation, Sums
from gpuae.model.tile import Tile
from gpuae.training.batches import Order
from gpuae.training.crew import Crew
from gpuae.training.lanes import EVALUATION_ROWS, Lane, Lanes, Worker, new_worker, part_size
from gpuae.training.optimizers import Optimizer


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
        self.parameters = parameters
        self.gradient = ops.empty((network.size,), config.dtype)
        self._pass = Propagation(ops, network, config, network.views(parameters))
        self._feed = Feed.create(ops, x, preprocess, config, noisy=True)
        self._clean_feed = replace(self._feed, noise=None)
        self._lanes = Lanes(ops, network, config, batch)
        size, part = network.size, part_size(network.size)
        self._parts = [slice(low, min(low + part, size)) for low in range(0, size, part)]
        self._squares = ops.zeros((len(self._parts),), "float64")
        self._crew = Crew(max(1, min(threads, self._lanes.count)))
        spare_rows = 0 if self._lanes.keeps_tiles else self._lanes.tile_rows
        self._workers = [
            new_worker(ops, network, config, spare_rows, steps_done) for _ in range(self._crew.size)
        ]
        self._contexts = ExitStack()

    def __enter__(self) -> Self:
        self._contexts.enter_context(self._ops.session())
        self._contexts.enter_context(self._crew)
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.close()

    # What a trainer asks for

    def start_epoch(self, order: Order, epoch: int, rate: float, row_base: int = 0) -> None:
        """Set the order of the rows and the learning rate, and all totals to zero."""
        self._order = self._ops.asarray(order)
        self._ops.fill(self._squares, 0.0)
        for lane in self._lanes.all:
            lane.sums.clear(self._ops)
        for worker in self._workers:
            self._ops.fill(worker.kl, 0.0)
            self._ops.start_epoch(worker.clock, epoch, rate, row_base)

    def run(self, steps: Sequence[int], optimizer: Optimizer) -> None:
        """Take steps of so many rows each, from where the order stands."""
        self._crew.run(lambda member: self._steps(member, steps, optimizer))

    def totals(self, rows: int) -> Totals:
        """Return what was added up since the epoch started, over so many rows."""
        return Totals(
            rows=rows,
            loss=sum(self._scalar(lane.sums.loss) for lane in self._lanes.all),
            absolute_code=sum(self._scalar(lane.sums.absolute_code) for lane in self._lanes.all),
            squared_weights=float(self._ops.to_host(self._squares).sum()),
            kl=self._scalar(self._workers[0].kl),
        )

    def full_gradient(self, order: Order) -> Totals:
        """Compute J's gradient over all these rows at once, into `self.gradient`."""
        self.start_epoch(order, epoch=0, rate=0.0)
        self._crew.run(lambda member: self._full_gradient(member, len(order)))
        return self.totals(len(order))

    def evaluate(self, order: Order) -> Totals:
        """Return the sums of J over these rows without noise or dropout; parameters stay."""
        rows = len(order)
        self.start_epoch(order, epoch=0, rate=0.0)
        self._crew.run(lambda member: self._evaluate(member, rows))
        if self._config.sparsity == "kl":
            self._reduce_code(self._workers[0], rows)
        for index in range(len(self._parts)):
            self._add_squares(index, rows)
        return self.totals(rows)

    # What a worker does

    def _steps(self, member: int, steps: Sequence[int], optimizer: Optimizer) -> None:
        worker = self._workers[member]
        for rows in steps:
            self._forward_and_back(member, rows)
            for index in self._own_parts(member):
                part = self._parts[index]
                gradient = worker.gradient[: part.stop - part.start]
                self._sum_part(index, rows, gradient)
                optimizer.update(part, self.parameters, gradient, worker.clock)
            self._ops.advance(worker.clock, rows)
            if self._crew.meet():
                return

    def _full_gradient(self, member: int, rows: int) -> None:
        self._forward_and_back(member, rows)
        for index in self._own_parts(member):
            self._sum_part(index, rows, self.gradient[self._parts[index]])

    def _forward_and_back(self, member: int, rows: int) -> None:
        """Bring this worker's lanes through a step; at the end all lanes are ready."""
        slope = self._kl_slope(member, rows) if self._config.sparsity == "kl" else None
        for lane in self._own_lanes(member):
            for turn, place in self._turns(member, lane, rows):
                tile = self._lanes.tile(lane, self._workers[member], turn, place)
                if slope is None or not self._lanes.keeps_tiles:
                    self._encode(tile, place, lane.sums if slope is None else None)
                self._pass.decode(tile, place)
                self._pass.backward(tile, rows, slope, lane.sums, lane.gradient, turn > 0)
        self._crew.meet()

    def _kl_slope(self, member: int, rows: int) -> Array:
        """Bring the step's rows to the code, agree on ρ̂ and return the penalty's derivative."""
        for lane in self._own_lanes(member):
            self._ops.fill(lane.sums.code, 0.0)
            for turn, place in self._turns(member, lane, rows):
                tile = self._lanes.tile(lane, self._workers[member], turn, place)
                self._encode(tile, place, lane.sums)
        self._crew.meet()
        return self._reduce_code(self._workers[member], rows)

    def _evaluate(self, member: int, rows: int) -> None:
        for lane in self._own_lanes(member):
            for _, place in self._turns(member, lane, rows, EVALUATION_ROWS):
                tile = self._workers[member].still.head(place.count)
                self._clean_feed.load(tile, place)
                self._pass.encode(tile, None, lane.sums)
                self._pass.decode(tile, None)
                self._pass.add_loss(tile, lane.sums)

    def _encode(self, tile: Tile, place: Rows, sums: Sums | None) -> None:
        self._feed.load(tile, place)
        self._pass.encode(tile, place, sums)

    def _reduce_code(self, worker: Worker, rows: int) -> Array:
        self._ops.fill(worker.code_sums, 0.0)
        for lane in self._lanes.all:
            self._ops.axpby(1.0, lane.sums.code, 1.0, worker.code_sums)
        self._pass.add_kl(worker.code_sums, rows, worker.slope, worker.kl)
        return worker.slope

    def _sum_part(self, index: int, rows: int, gradient: Array) -> None:
        """Write one part of the gradient of J."""
        lanes = self._lanes.gradients(rows)
        decay, n_weights = self._config.weight_decay, self.network.n_weights
        part = self._parts[index]
        self._ops.total_gradient(lanes, part, self.parameters, decay, n_weights, gradient)
        self._add_squares(index, rows)

    def _add_squares(self, index: int, rows: int) -> None:
        part = self._parts[index]
        weights = self.parameters[part.start : min(part.stop, self.network.n_weights)]
        if self._config.weight_decay and len(weights):
            self._ops.add_squares(weights, float(rows), self._squares[index : index + 1])

    # Who does what

    def _own_lanes(self, member: int) -> list[Lane]:
        return self._lanes.all[member :: self._crew.size]

    def _own_parts(self, member: int) -> range:
        return range(member, len(self._parts), self._crew.size)

    def _turns(
        self, member: int, lane: Lane, rows: int, tile_rows: int | None = None
    ) -> Iterator[tuple[int, Rows]]:
        clock = self._workers[member].clock
        size = tile_rows or self._lanes.tile_rows
        return self._lanes.turns(lane, self._order, clock, rows, size)

    def _scalar(self, array: Array) -> float:
        return float(self._ops.to_host(array)[0])
