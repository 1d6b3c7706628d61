"""The course of training: epochs, validation, early stopping, and what happens when it fails."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gpuae.backends.ops import Array, Ops
from gpuae.config import Config
from gpuae.model.objective import objective
from gpuae.training.batches import Order, epoch_order, step_sizes
from gpuae.training.history import EpochRecord, History, Observer
from gpuae.training.lbfgs import LBFGS
from gpuae.training.optimizers import LearningRate, create_optimizer
from gpuae.training.portions import Portions
from gpuae.training.team import Team


class Ending(Enum):
    """Why training ended."""

    FINISHED = "finished"
    EARLY = "stopped early"
    CONVERGED = "converged"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass
class Course:
    """How a training run went.

    Attributes
    ----------
    best_epoch
        The epoch whose weights were kept, counted from 1; 0 is the start, or what a first epoch had
        come to when it was interrupted.
    """

    history: History = field(default_factory=History)
    ending: Ending = Ending.FINISHED
    best_epoch: int = 0

    @property
    def kept_loss(self) -> float:
        """J of the kept epoch; NaN where none was completed."""
        return self.history.records[self.best_epoch - 1].loss if self.best_epoch else math.nan


class Epochs(Protocol):
    """Makes one epoch, or one iteration, at a time."""

    @property
    def converged(self) -> bool:
        """Whether there is nothing left to gain."""
        ...

    def run(self, epoch: int, observer: Observer) -> tuple[float, float]:
        """Train for an epoch, counted from 0; return J and the learning rate."""
        ...

    def observe(self, loss: float) -> None:
        """Hear the (validation) loss after the epoch."""
        ...


class BatchEpochs:
    """Epochs of mini-batches, with adam or sgd."""

    converged = False

    def __init__(self, ops: Ops, team: Team, config: Config, rows: Order) -> None:
        self._team, self._config, self._rows = team, config, rows
        self._optimizer = create_optimizer(ops, len(team.parameters), config)
        self._rate = LearningRate(config)
        self._portions = Portions()

    def run(self, epoch: int, observer: Observer) -> tuple[float, float]:
        """Take an epoch's steps, reporting now and then."""
        rate = self._rate.of(epoch)
        order = epoch_order(self._rows, self._config.seed, epoch, self._config.shuffle)
        self._team.start_epoch(order, epoch, rate)
        done, batch = 0, self._config.batch_size or len(order)
        for steps in self._portions.of(step_sizes(len(order), batch)):
            self._team.run(steps, self._optimizer)
            done += sum(steps)
            observer.rows_done(epoch + 1, done)
            if not math.isfinite(self._team.totals(done).loss):
                break
        return objective(self._team.totals(len(order)), self._config), rate

    def observe(self, loss: float) -> None:
        """Let the schedule know."""
        self._rate.observe(loss)


class FullBatchEpochs:
    """Iterations of lbfgs over all training rows."""

    def __init__(self, ops: Ops, team: Team, config: Config, rows: Order) -> None:
        self._team, self._config, self._rows = team, config, rows
        self._minimiser = LBFGS(ops, team.parameters, team.gradient, self._evaluate)

    @property
    def converged(self) -> bool:
        """Whether no further decrease can be found."""
        return self._minimiser.converged

    def run(self, epoch: int, observer: Observer) -> tuple[float, float]:
        """Make one iteration."""
        if epoch == 0:
            self._minimiser.start()
        value = self._minimiser.iterate()
        observer.rows_done(epoch + 1, len(self._rows))
        return value, math.nan

    def observe(self, loss: float) -> None:
        """Nothing depends on it."""

    def _evaluate(self) -> float:
        return objective(self._team.full_gradient(self._rows), self._config)


class Keeper:
    """A copy of the weights to go back to: the best by validation, or else the last good ones."""

    def __init__(self, ops: Ops, parameters: Array) -> None:
        self._ops, self._parameters = ops, parameters
        self._copy = ops.empty(parameters.shape, str(parameters.dtype))
        self.epoch = 0
        self.score = math.inf
        self.keep(0, math.inf)

    def keep(self, epoch: int, score: float) -> None:
        """Remember the weights as they are."""
        self._ops.axpby(1.0, self._parameters, 0.0, self._copy)
        self.epoch, self.score = epoch, score

    def restore(self) -> None:
        """Put the remembered weights back."""
        self._ops.axpby(1.0, self._copy, 0.0, self._parameters)


class Trainer:
    """Trains a team's parameters, in place.

    Parameters
    ----------
    rows, validation_rows
        Numbers of the rows to train on and of those held out (possibly none).
    """

    def __init__(
        self,
        ops: Ops,
        team: Team,
        config: Config,
        rows: Order,
        validation_rows: Order,
        observer: Observer,
    ) -> None:
        self._ops, self._team, self._config = ops, team, config
        self._rows, self._validation_rows = rows, validation_rows
        self._observer = observer
        self._early_stopping = len(validation_rows) > 0 and config.patience > 0

    def train(self) -> Course:
        """Train for the configured epochs, or until something ends it sooner.

        However it ends, the parameters are those of the best epoch by validation, or without
        validation those of the last epoch whose loss was finite.
        """
        course = Course()
        columns = self._team.network.columns
        self._observer.training_starts(self._config, columns, len(self._rows))
        keeper = Keeper(self._ops, self._team.parameters)
        try:
            course.ending = self._epochs(course, keeper)
        except KeyboardInterrupt:
            course.ending = Ending.INTERRUPTED
        if not self._keeps_partial_epoch(course):
            keeper.restore()
        course.best_epoch = keeper.epoch
        return course

    def _keeps_partial_epoch(self, course: Course) -> bool:
        """Whether the first epoch was interrupted and its steps are all there is."""
        interrupted = course.ending is Ending.INTERRUPTED and not course.history.records
        return interrupted and not self._config.full_batch and self._weights_are_finite()

    def _epochs(self, course: Course, keeper: Keeper) -> Ending:
        kind = FullBatchEpochs if self._config.full_batch else BatchEpochs
        epochs: Epochs = kind(self._ops, self._team, self._config, self._rows)
        for epoch in range(self._config.epochs):
            record = self._epoch(epochs, epoch)
            if not self._is_good(record):
                return Ending.DIVERGED
            course.history.records.append(record)
            self._observer.epoch_done(record)
            if not self._early_stopping or record.val_loss < keeper.score:
                keeper.keep(record.epoch, record.val_loss)
            if epochs.converged:
                return Ending.CONVERGED
            if self._early_stopping and record.epoch - keeper.epoch >= self._config.patience:
                return Ending.EARLY
        return Ending.FINISHED

    def _epoch(self, epochs: Epochs, epoch: int) -> EpochRecord:
        began = time.perf_counter()
        loss, rate = epochs.run(epoch, self._observer)
        val_loss = math.nan
        if len(self._validation_rows):
            val_loss = objective(self._team.evaluate(self._validation_rows), self._config)
        epochs.observe(val_loss if len(self._validation_rows) else loss)
        return EpochRecord(epoch + 1, loss, val_loss, rate, time.perf_counter() - began)

    def _is_good(self, record: EpochRecord) -> bool:
        """Whether the losses and the weights are finite."""
        losses = [record.loss] + ([record.val_loss] if len(self._validation_rows) else [])
        return all(math.isfinite(loss) for loss in losses) and self._weights_are_finite()

    def _weights_are_finite(self) -> bool:
        return math.isfinite(self._ops.dot(self._team.parameters, self._team.parameters))
