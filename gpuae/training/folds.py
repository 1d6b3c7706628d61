"""Cross-validation: how many epochs are best, found by holding out each row once.

Few rows cannot spare a part for validation, and what a few held-out rows say is mostly chance. So
the rows are cut into folds and as many networks are trained side by side, each without one fold.
The epoch at which the mean loss over all held-out rows is lowest is how long the network that is
kept is then trained, on all rows: M. Stone, "Cross-validatory choice and assessment of statistical
predictions", 1974.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gpuae.backends.ops import Ops
from gpuae.backends.philox import Purpose
from gpuae.config import Config
from gpuae.model.objective import objective
from gpuae.training.batches import Order, permutation
from gpuae.training.deadline import NO_END, Deadline, TimeOver
from gpuae.training.history import Observer, Silence, SoFar
from gpuae.training.interruption import Interruption
from gpuae.training.team import Team
from gpuae.training.trainer import BatchEpochs, BestWeights


@dataclass(frozen=True)
class Validated:
    """What cross-validation found.

    Attributes
    ----------
    losses
        Mean J over the held-out rows after each epoch that is worth training, (best epoch,).
    start_loss
        The same before the first step.
    epochs, seconds
        How many epochs were tried, and how long that took.
    stopped_early
        Whether others were left because none of the last ones gained.
    out_of_time
        Whether others were left because there was no time for them.
    diverged
        Whether others were left because the loss of the last one was no finite number.
    """

    losses: tuple[float, ...]
    start_loss: float
    epochs: int
    seconds: float
    stopped_early: bool
    out_of_time: bool
    diverged: bool


def fold_rows(count: int, folds: int, seed: int) -> list[tuple[Order, Order]]:
    """Return the numbers of the training and the held-out rows of each fold, ascending."""
    order = permutation(count, seed, Purpose.SPLIT)
    held_out = [np.sort(order[fold::folds]) for fold in range(folds)]
    return [(np.setdiff1d(np.arange(count), own, assume_unique=True), own) for own in held_out]


class Fold:
    """One network in training, and the rows it does not see.

    The team's parameters are those of the best epoch once `put_back` was called.

    Parameters
    ----------
    weight
        How much its loss counts beside that of other folds.
    """

    def __init__(
        self, ops: Ops, team: Team, config: Config, rows: Order, held_out: Order, weight: float
    ) -> None:
        self.team, self.held_out, self._config = team, held_out, config
        self.weight = weight
        self._epochs = BatchEpochs(ops, team, config, rows)
        self.best = BestWeights(ops, team.parameters)

    def train(self, epoch: int, observer: Observer, pause: Callable[[], None]) -> None:
        """Take an epoch's steps."""
        self._epochs.run(epoch, observer, pause)

    def loss(self) -> float:
        """Return J over the held-out rows."""
        return objective(self.team.evaluate(self.held_out), self._config)

    def observe(self, loss: float) -> None:
        """Let the schedule know the mean loss of all folds."""
        self._epochs.observe(loss)


def cross_validate(
    folds: Sequence[Fold],
    config: Config,
    observer: Observer,
    so_far: SoFar,
    deadline: Deadline = NO_END,
) -> Validated:
    """Train all folds side by side until the mean loss of held-out rows has been lowest for long.

    Parameters
    ----------
    so_far
        Returns the first fold's network as it is.
    deadline
        When to stop, however far it is; epochs that not all folds have done count for nothing.

    Raises
    ------
    Interrupted
        When it was asked to stop, between two steps.
    """
    began = time.perf_counter()
    weights = np.array([fold.weight for fold in folds], float)

    def loss() -> float:
        return float(np.average([fold.loss() for fold in folds], weights=weights))

    patience, epochs = config.resolved("patience"), config.resolved("epochs")
    losses, best, lowest, out_of_time = [loss()], 0, math.inf, False
    with Interruption() as interruption:

        def pause() -> None:
            observer.between_steps(so_far)
            interruption.stop_if_asked()
            deadline.check()

        for epoch in range(epochs):
            try:
                for fold in folds:
                    fold.train(epoch, Silence(), pause)
            except TimeOver:
                out_of_time = True
                break
            losses.append(loss())
            observer.folds_done(epoch + 1, losses[-1])
            if not math.isfinite(losses[-1]):
                break
            for fold in folds:
                fold.observe(losses[-1])
            if losses[-1] < min(losses[0], lowest):
                best, lowest = epoch + 1, losses[-1]
                for fold in folds:
                    fold.best.keep(best, lowest)
            if patience and epoch + 1 - best >= patience:
                break
    for fold in folds:
        fold.best.put_back()
    tried = len(losses) - 1
    return Validated(
        losses=tuple(losses[1 : best + 1]),
        start_loss=losses[0],
        epochs=tried,
        seconds=time.perf_counter() - began,
        stopped_early=tried < epochs,
        out_of_time=out_of_time,
        diverged=tried > 0 and not math.isfinite(losses[-1]),
    )
