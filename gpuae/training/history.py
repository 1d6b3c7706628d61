"""What is recorded of each epoch, and what is told while training runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.model.model import Model

SoFar: TypeAlias = Callable[[], Model]
"""Returns a model of the weights as they are, a copy."""


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, or one iteration of full-batch training.

    Attributes
    ----------
    epoch
        Counted from 1.
    loss
        J over the training rows: while they were passed (mini-batches), or at the end (full batch).
    val_loss
        J over the validation rows at the end, without noise and dropout; NaN where there are none.
    learning_rate
        NaN in full-batch training.
    seconds
        Duration, validation included.
    """

    epoch: int
    loss: float
    val_loss: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """All epochs so far."""

    records: list[EpochRecord] = field(default_factory=list)

    def arrays(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Return one array (epochs,) for each field of the records."""
        columns: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
        for column in fields(EpochRecord):
            values = [getattr(record, column.name) for record in self.records]
            columns[column.name] = np.array(values, np.int64 if column.name == "epoch" else float)
        return columns

    def restore(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Invert `arrays`."""
        names = [column.name for column in fields(EpochRecord)]
        rows = zip(*(columns[name].tolist() for name in names), strict=True)
        self.records = [EpochRecord(*row) for row in rows]


class Observer(Protocol):
    """Is told how training goes."""

    def note(self, message: str) -> None:
        """Hear something about the data that a person should know, in a sentence."""
        ...

    def device_chosen(self, name: str, reason: str) -> None:
        """Hear what will compute, and why, where there was a choice."""
        ...

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Hear the resolved settings, which of them the data decided, and why."""
        ...

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Hear the mean loss of rows that were held out in turn, after an epoch (from 1)."""
        ...

    def stage_starts(self, stage: str) -> None:
        """Hear what is trained next, where it is done in stages, such as `layer 1 of 3`."""
        ...

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Hear that training starts, for config.epochs, and the size of the training data."""
        ...

    def rows_done(self, epoch: int, rows: int) -> None:
        """Hear that so many rows of an epoch (from 1) are done; several times a second."""
        ...

    def epoch_done(self, record: EpochRecord) -> None:
        """Hear how an epoch ended."""
        ...

    def between_steps(self, so_far: SoFar) -> None:
        """Hear that no step is under way, several times a second; what it takes, training waits.

        Raises
        ------
        Interrupted
            To end training here.
        """
        ...


class Silence:
    """An observer that says nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def device_chosen(self, name: str, reason: str) -> None:
        """Say nothing."""

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Say nothing."""

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Say nothing."""

    def stage_starts(self, stage: str) -> None:
        """Say nothing."""

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Say nothing."""

    def rows_done(self, epoch: int, rows: int) -> None:
        """Say nothing."""

    def epoch_done(self, record: EpochRecord) -> None:
        """Say nothing."""

    def between_steps(self, so_far: SoFar) -> None:
        """Say nothing."""


class Together:
    """An observer that passes all it hears on to others, in their order.

    However many of them look at the weights between two steps, these are copied once.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def note(self, message: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.note(message)

    def device_chosen(self, name: str, reason: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.device_chosen(name, reason)

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.chosen(config, columns, rows, reasons)

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.folds_done(epoch, val_loss)

    def stage_starts(self, stage: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.stage_starts(stage)

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.training_starts(config, columns, rows)

    def rows_done(self, epoch: int, rows: int) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.rows_done(epoch, rows)

    def epoch_done(self, record: EpochRecord) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.epoch_done(record)

    def between_steps(self, so_far: SoFar) -> None:
        """Pass it on; one that ends training here is the last to hear of it."""
        once = cache(so_far)
        for observer in self._observers:
            observer.between_steps(once)
