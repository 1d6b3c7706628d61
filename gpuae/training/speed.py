"""How long an epoch will take, measured by some steps that change nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import Ops
from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.training.batches import Order, epoch_order, step_sizes
from gpuae.training.optimizers import create_optimizer
from gpuae.training.preparation import Prepared, new_team
from gpuae.training.team import Team

SECONDS = 0.5
"""Of steps that are measured."""
EVALUATED_ROWS = 10_000
"""So many rows are evaluated at most to know how long it takes."""
GROWTH = 2
WEIGHT = 0.01
"""About the size of the weights that are measured with: they must not be 0, which is quick."""


@dataclass(frozen=True)
class Speed:
    """Seconds that work takes once everything is compiled.

    Attributes
    ----------
    row
        Of a row in training.
    evaluated_row
        Of a row in evaluation, where neither gradient nor weights are touched.
    measuring
        What was spent on finding this out, without what comes before the first step as it does in
        training: compiling, say.
    start
        Of each epoch, before its first step: its rows are put into an order.
    """

    row: float
    evaluated_row: float
    measuring: float = 0.0
    start: float = 0.0

    def epoch(self, rows: int, held_out: int, folds: int) -> float:
        """Return the seconds of an epoch, with all networks that are trained beside one another."""
        if folds > 1:
            trained = (folds - 1) * rows + rows  # each fold without its part, then all rows
            passed = trained * self.row + rows * self.evaluated_row
            return passed + (folds + 1) * self.start
        return self.start + rows * self.row + held_out * self.evaluated_row


def measure(
    ops: Ops, network: Network, prepared: Prepared, x: NDArray[Any], rows: Order, held_out: Order
) -> Speed:
    """Take steps with weights of no account until it is known how long they take.

    `rows` and `held_out` are the numbers of the rows of x (n, d) to train on and to evaluate.
    """
    config = prepared.config
    draw = np.random.default_rng(0).standard_normal(network.size, np.float32)
    parameters = ops.empty((network.size,), config.dtype)
    ops.assign(parameters, (WEIGHT * draw).astype(config.dtype))
    with new_team(ops, network, prepared, x, parameters, len(rows)) as team:
        some = (held_out if len(held_out) else rows)[:EVALUATED_ROWS]
        team.evaluate(some)
        step = _first_step if config.full_batch else _first_steps
        began = time.perf_counter()
        row, first = step(ops, team, config, rows)
        middle = time.perf_counter()
        team.evaluate(some)
        evaluated = time.perf_counter()
        team.start_epoch(epoch_order(rows, config.seed, 1, config.shuffle), 1, 0.0)
        ended = time.perf_counter()
    evaluation = (evaluated - middle) / len(some)
    return Speed(row, evaluation, ended - began - first, ended - evaluated)


def _first_step(ops: Ops, team: Team, config: Config, rows: Order) -> tuple[float, float]:
    """Return the seconds of a row in a gradient over all rows, and how long the first one took."""
    began = time.perf_counter()
    team.full_gradient(rows)
    middle = time.perf_counter()
    team.full_gradient(rows)
    return (time.perf_counter() - middle) / len(rows), middle - began


def _first_steps(ops: Ops, team: Team, config: Config, rows: Order) -> tuple[float, float]:
    """Return the seconds of a row in mini-batches, and how long the first one took.

    Take ever more steps of an epoch at a learning rate of 0, until they have taken long.
    """
    optimizer = create_optimizer(ops, len(team.parameters), config)
    sizes = step_sizes(len(rows), config.batch_size or len(rows))
    order, count, done, spent = epoch_order(rows, config.seed, 0, config.shuffle), 1, 0, 0.0
    began = time.perf_counter()
    team.start_epoch(order, 0, 0.0)
    team.run(sizes[:1], optimizer)  # compiles, and touches all memory
    first = time.perf_counter() - began
    team.start_epoch(order, 0, 0.0)
    place = 0
    while spent < SECONDS:
        if place >= len(sizes):
            team.start_epoch(order, 0, 0.0)
            place = 0
        portion = sizes[place : place + count]
        began = time.perf_counter()
        team.run(portion, optimizer)
        team.totals(1)  # a GPU has then done all of it
        spent += time.perf_counter() - began
        place, done, count = place + len(portion), done + sum(portion), GROWTH * count
    return spent / done, first
