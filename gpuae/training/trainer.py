"""Training: epochs, validation, early stopping, and what happens when it fails."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias

import numpy as np

from gpuae.backends.ops import ROW_BASE, START, Array, Ops
from gpuae.config import MAX_EPOCHS, Config
from gpuae.model.model import Model
from gpuae.model.objective import objective
from gpuae.training.batches import EpochOrders, Order, step_sizes
from gpuae.training.deadline import NO_END, Deadline, TimeOver
from gpuae.training.history import EpochRecord, History, Observer
from gpuae.training.interruption import Interrupted, Interruption
from gpuae.training.lbfgs import LBFGS
from gpuae.training.optimizers import LearningRate, all_finite, create_optimizer
from gpuae.training.progress_chunks import ProgressChunks
from gpuae.training.state import State, check_fits, damaged, part_of, under
from gpuae.training.team import Team


class Ending(Enum):
    """Why training ended."""

    FINISHED = "finished"
    EARLY = "stopped early"
    CONVERGED = "converged"
    OUT_OF_TIME = "out of time"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass
class TrainingResult:
    """How a training run went.

    Attributes
    ----------
    best_epoch
        The epoch whose weights were kept, counted from 1; 0 is the start, or what a first epoch had
        come to when it was interrupted.
    saved
        Whether a saver has kept the state in which it was interrupted.
    epochs_validated, seconds_validated
        How many epochs other networks were trained to find the best one, with folds, and how long.
    epochs_pretrained, seconds_pretrained
        How many epochs layers were trained alone before, and how long.
    lost_epoch
        The epoch in which training diverged; 0: it did not.
    """

    history: History = field(default_factory=History)
    ending: Ending = Ending.FINISHED
    best_epoch: int = 0
    epochs_validated: int = 0
    seconds_validated: float = 0.0
    epochs_pretrained: int = 0
    seconds_pretrained: float = 0.0
    lost_epoch: int = 0
    saved: bool = False

    @property
    def seconds(self) -> float:
        """How long all epochs took."""
        own = sum(record.seconds for record in self.history.records)
        return own + self.seconds_validated + self.seconds_pretrained

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return max(len(self.history.records), self.epochs_validated)

    @property
    def kept_loss(self) -> float:
        """J of the kept epoch; NaN where none was completed."""
        return self.history.records[self.best_epoch - 1].loss if self.best_epoch else math.nan


Build: TypeAlias = Callable[[TrainingResult, Array], Model]
"""Returns the model of a result and some weights."""


class Saver(Protocol):
    """Keeps what training needs to go on."""

    def due(self, epochs: int) -> bool:
        """Whether it is time to, after so many epochs."""
        ...

    def save(self, kept: Array, result: TrainingResult, state: State) -> bool:
        """Keep a state, and the weights that would be the model if training ended here.

        Returns whether it could.
        """
        ...


class Epochs(Protocol):
    """Makes one epoch, or one iteration, at a time."""

    lists: tuple[str, ...]
    """Names in a state of arrays with as many entries as there are, all the same number."""

    @property
    def converged(self) -> bool:
        """Whether there is nothing left to gain."""
        ...

    @property
    def finite(self) -> bool:
        """Whether all that the optimizer remembers is finite."""
        ...

    def run(self, epoch: int, observer: Observer, pause: Callable[[], None]) -> tuple[float, float]:
        """Train for an epoch, counted from 0; return J and the learning rate.

        pause() is called wherever the state is one to go on from, and may raise Interrupted.
        """
        ...

    def observe(self, loss: float) -> None:
        """Hear the (validation) loss after the epoch."""
        ...

    def state(self) -> State:
        """Return all that the next step depends on, beside the parameters."""
        ...

    def restore(self, state: State, epoch: int) -> None:
        """Go on from there, within or before an epoch."""
        ...


class BatchEpochs:
    """Epochs of mini-batches, with adam or sgd."""

    converged = False
    lists: tuple[str, ...] = ()

    def __init__(self, ops: Ops, team: Team, config: Config, rows: Order) -> None:
        self._ops, self._team, self._config, self._rows = ops, team, config, rows
        self._optimizer = create_optimizer(ops, len(team.parameters), config)
        self._orders = EpochOrders(rows, config.seed, config.shuffle)
        self._batch = config.batch_size or len(rows)
        self._epoch_steps = -(-len(rows) // self._batch)
        self._rate = LearningRate(config, self._epoch_steps)
        self._chunks = ProgressChunks()
        self._done = 0
        """Rows of the epoch; 0 between epochs."""

    def run(self, epoch: int, observer: Observer, pause: Callable[[], None]) -> tuple[float, float]:
        """Take an epoch's steps, or what is left of them, reporting now and then."""
        first_step = epoch * self._epoch_steps
        if not self._done:
            rate, _ = self._rate.of(first_step)
            self._team.start_epoch(self._orders.of(epoch), epoch, rate)
        sizes = step_sizes(len(self._rows), self._batch)
        for steps in self._chunks.of(self._stretches(first_step, sizes)):
            self._team.run(steps, self._optimizer)
            if self._team.queues:
                self._orders.draw_ahead(epoch + 1)
            self._done += sum(steps)
            observer.rows_done(epoch + 1, self._done)
            if not math.isfinite(self._team.totals(self._done).loss):
                break
            pause()
        self._done = 0
        totals = self._team.totals(len(self._rows))
        return objective(totals, self._config), self._rate.of(first_step)[0]

    def _stretches(self, first_step: int, sizes: list[int]) -> Iterator[list[int]]:
        """Yield what is left of an epoch's steps, those of one learning rate at a time."""
        place = -(-self._done // self._batch)
        while place < len(sizes):
            rate, count = self._rate.of(first_step + place)
            self._team.set_rate(rate)
            yield sizes[place : place + count]
            place += count

    @property
    def finite(self) -> bool:
        """Whether what the optimizer remembers is finite: weights of infinite means stand still."""
        return all_finite(self._ops, self._optimizer.vectors.values())

    def observe(self, loss: float) -> None:
        """Let the schedule know."""
        self._rate.observe(loss)

    def state(self) -> State:
        """Return the optimizer's memory, the schedule's, and where the epoch stands."""
        memory = {name: self._ops.to_host(own) for name, own in self._optimizer.vectors.items()}
        return {
            **under("optimizer", memory),
            **under("schedule", self._rate.state()),
            **under("epoch", self._team.state()),
            "epoch/done": np.array(self._done),
        }

    def restore(self, state: State, epoch: int) -> None:
        """Go on from there."""
        self._check_place(state)
        for name, vector in self._optimizer.vectors.items():
            self._ops.assign(vector, state[f"optimizer/{name}"])
        self._rate.restore(part_of(state, "schedule"))
        self._team.restore(self._orders.of(epoch), part_of(state, "epoch"))
        self._done = int(state["epoch/done"])

    def _check_place(self, state: State) -> None:
        """Refuse an epoch that does not stand between two steps: kernels trust its counters."""
        done, rows, counters = int(state["epoch/done"]), len(self._rows), state["epoch/counters"]
        between = done == rows or done % self._batch == 0
        known = done in (0, counters[START]) and counters[ROW_BASE] == 0
        if not (between and known and 0 <= counters[START] <= rows):
            raise damaged(f"epoch is at no place that an epoch of {rows} rows comes to")
        counts = state["schedule/plateau"][1:]
        if not ((counts >= 0) & (counts <= MAX_EPOCHS)).all():
            raise damaged("schedule/plateau counts nothing")


class FullBatchEpochs:
    """Iterations of lbfgs over all training rows."""

    finite = True
    lists: tuple[str, ...] = ("optimizer/steps", "optimizer/changes", "optimizer/inverses")

    def __init__(self, ops: Ops, team: Team, config: Config, rows: Order) -> None:
        self._team, self._config, self._rows = team, config, rows
        self._minimiser = LBFGS(ops, team.parameters, team.gradient, self._evaluate)

    @property
    def converged(self) -> bool:
        """Whether no further decrease can be found."""
        return self._minimiser.converged

    def run(self, epoch: int, observer: Observer, pause: Callable[[], None]) -> tuple[float, float]:
        """Make one iteration."""
        if not self._minimiser.started:
            self._minimiser.start()
        value = self._minimiser.iterate()
        observer.rows_done(epoch + 1, len(self._rows))
        return value, math.nan

    def observe(self, loss: float) -> None:
        """Nothing depends on it."""

    def state(self) -> State:
        """Return the minimiser's memory."""
        return under("optimizer", self._minimiser.state())

    def restore(self, state: State, epoch: int) -> None:
        """Go on from there."""
        self._minimiser.restore(part_of(state, "optimizer"))

    def _evaluate(self) -> float:
        return objective(self._team.full_gradient(self._rows), self._config)


class BestWeights:
    """A copy of the weights to go back to: the best by validation, or else the last good ones."""

    def __init__(self, ops: Ops, parameters: Array) -> None:
        self._ops, self._parameters = ops, parameters
        self.copy = ops.empty(parameters.shape, str(parameters.dtype))
        self.epoch = 0
        self.score = math.inf
        self.keep(0, math.inf)

    def keep(self, epoch: int, score: float) -> None:
        """Remember the weights as they are."""
        self._ops.axpby(1.0, self._parameters, 0.0, self.copy)
        self.epoch, self.score = epoch, score

    def put_back(self) -> None:
        """Put the remembered weights back."""
        self._ops.axpby(1.0, self.copy, 0.0, self._parameters)

    def state(self) -> State:
        """Return what is remembered, and why."""
        return {
            "parameters": self._ops.to_host(self.copy),
            "epoch": np.array(self.epoch),
            "score": np.array(self.score),
        }

    def restore(self, state: State) -> None:
        """Remember that instead."""
        self._ops.assign(self.copy, state["parameters"])
        self.epoch, self.score = int(state["epoch"]), float(state["score"])


class Trainer:
    """Trains a team's parameters, in place.

    Parameters
    ----------
    rows, validation_rows
        Numbers of the rows to train on and of those held out (possibly none).
    build
        Returns what the observer is given between steps.
    saver
        Is given what is needed to go on, now and then, when training is interrupted and when it
        ends.
    validated
        The validation loss of each epoch as it was found elsewhere; there are no other epochs, and
        the last one's weights are kept.
    deadline
        When training ends, however far it is.
    """

    def __init__(
        self,
        ops: Ops,
        team: Team,
        config: Config,
        rows: Order,
        validation_rows: Order,
        observer: Observer,
        build: Build,
        saver: Saver | None = None,
        validated: Sequence[float] | None = None,
        deadline: Deadline = NO_END,
    ) -> None:
        self._ops, self._team, self._config = ops, team, config
        self._validated, self._deadline = validated, deadline
        self._length = config.resolved("epochs") if validated is None else len(validated)
        self._rows, self._validation_rows = rows, validation_rows
        self._observer, self._build, self._saver = observer, build, saver
        self._patience = config.resolved("patience")
        self._early_stopping = len(validation_rows) > 0 and self._patience > 0
        kind = FullBatchEpochs if config.full_batch else BatchEpochs
        self._epochs: Epochs = kind(ops, team, config, rows)
        self._best = BestWeights(ops, team.parameters)
        self._result = TrainingResult()
        self._began = 0.0

    def train(self, state: State | None = None) -> TrainingResult:
        """Train for the configured epochs, or until something ends it sooner.

        However it ends, the parameters are those of the best epoch by validation, or without
        validation those of the last epoch whose loss was finite.

        Parameters
        ----------
        state
            What a saver was given, to go on from.
        """
        result = self._result
        ahead = self._config.model_copy(update={"epochs": self._length})
        self._observer.training_starts(ahead, self._team.network.columns, len(self._rows))
        self._began = time.perf_counter()
        if state is not None:
            self._restore(state)
        elif self._early_stopping:
            self._best.keep(0, self._validation_loss())
        with Interruption() as interruption:
            try:
                result.ending = self._train(interruption)
            except TimeOver:
                result.ending, resumable = Ending.OUT_OF_TIME, True
            except (Interrupted, KeyboardInterrupt) as interrupted:
                result.ending = Ending.INTERRUPTED
                resumable = isinstance(interrupted, Interrupted)
            else:
                resumable = result.ending is not Ending.DIVERGED
            if resumable:
                result.saved = self._save()
        if not self._keeps_partial_epoch():
            self._best.put_back()
        result.best_epoch = self._best.epoch
        return result

    def _keeps_partial_epoch(self) -> bool:
        """Whether the first epoch was cut short and its steps are all there is."""
        result = self._result
        cut = result.ending in (Ending.INTERRUPTED, Ending.OUT_OF_TIME)
        return (
            cut
            and not result.history.records
            and not self._config.full_batch
            and self._weights_are_finite()
        )

    def _train(self, interruption: Interruption) -> Ending:
        records, best = self._result.history.records, self._best

        def pause() -> None:
            if self._saver and self._saver.due(len(records)):
                self._save()
            self._observer.between_steps(self._so_far)
            interruption.stop_if_asked()
            if self._ending() is None:  # an epoch that is the last one counts, however long it took
                self._deadline.check()

        pause()
        while (ending := self._ending()) is None:
            record = self._epoch(len(records), pause)
            if not self._is_good(record):
                self._result.lost_epoch = record.epoch
                return Ending.DIVERGED
            records.append(record)
            self._observer.epoch_done(record)
            if not self._early_stopping or record.val_loss < best.score:
                best.keep(record.epoch, record.val_loss)
            pause()
        return ending

    def _ending(self) -> Ending | None:
        """Return why there is no further epoch; None where there is."""
        epochs = len(self._result.history.records)
        if self._epochs.converged:
            return Ending.CONVERGED
        if self._early_stopping and epochs - self._best.epoch >= self._patience:
            return Ending.EARLY
        return Ending.FINISHED if epochs >= self._length else None

    def _epoch(self, epoch: int, pause: Callable[[], None]) -> EpochRecord:
        loss, rate = self._epochs.run(epoch, self._observer, pause)
        val_loss = self._validation_loss() if self._validated is None else self._validated[epoch]
        self._epochs.observe(loss if math.isnan(val_loss) else val_loss)
        now = time.perf_counter()
        seconds, self._began = now - self._began, now
        return EpochRecord(epoch + 1, loss, val_loss, rate, seconds)

    def _validation_loss(self) -> float:
        """Return J over the rows held out; NaN where there are none."""
        if not len(self._validation_rows):
            return math.nan
        return objective(self._team.evaluate(self._validation_rows), self._config)

    def _is_good(self, record: EpochRecord) -> bool:
        """Whether the losses and the weights are finite."""
        losses = [record.loss] + ([record.val_loss] if len(self._validation_rows) else [])
        finite = all(math.isfinite(loss) for loss in losses)
        return finite and self._weights_are_finite() and self._epochs.finite

    def _so_far(self) -> Model:
        return self._build(self._result, self._team.parameters)

    def _weights_are_finite(self) -> bool:
        return all_finite(self._ops, [self._team.parameters])

    # Going on later

    def _save(self) -> bool:
        if self._saver is None:
            return False
        self._result.best_epoch = self._best.epoch
        return self._saver.save(self._best.copy, self._result, self._state())

    def _state(self) -> State:
        return {
            "parameters": self._ops.to_host(self._team.parameters),
            "seconds": np.array(time.perf_counter() - self._began),
            **under("kept", self._best.state()),
            **under("history", self._result.history.arrays()),
            **self._epochs.state(),
        }

    def _restore(self, state: State) -> None:
        own = self._state()
        check_fits(state, own, (under("history", part_of(own, "history")), self._epochs.lists))
        if not 0 <= state["kept/epoch"] <= len(state["history/epoch"]):
            raise damaged("kept/epoch is none of those in /state/history")
        if not np.isfinite(state["kept/parameters"]).all():
            raise damaged("kept/parameters holds NaN or infinite values")
        self._ops.assign(self._team.parameters, state["parameters"])
        self._best.restore(part_of(state, "kept"))
        self._result.history.restore(part_of(state, "history"))
        self._epochs.restore(state, len(self._result.history.records))
        self._began = time.perf_counter() - float(state["seconds"])
