"""What is heard of a run, kept for those who ask later, from another thread."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from gpuae.config import Config
from gpuae.live.curve import Curve
from gpuae.pictures.picture import Axes, Lines, Series
from gpuae.training.history import EpochRecord, Silence
from gpuae.training.pace import Pace

Describe: TypeAlias = Callable[[Config, int, int, Mapping[str, str]], list[str]]
"""Words what is trained on how many columns and rows, and why so."""

MOST_LINES = 300
IN_TURN = "rows held out in turn"
LOSSES = (("loss", "training rows"), ("val_loss", "held-out rows"))


class Course(Silence):
    """Remembers the words, the figures and the pace of a run."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._lock = threading.Lock()
        self._began = time.perf_counter()
        self._lines: deque[tuple[float, str]] = deque(maxlen=MOST_LINES)
        self._curves: list[Curve] = []
        self._stage = ""
        self._pace = Pace()
        self._epoch = 0
        self._trained: float | None = None
        """Seconds that training has taken elsewhere."""

    def note(self, message: str) -> None:
        """Remember it."""
        with self._lock:
            self._lines.append((self.seconds, message))

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Remember what is about to be trained, and why so."""
        for line in self._describe(config, columns, rows, reasons):
            self.note(line.strip())
        with self._lock:
            self._pace.epochs, self._stage = config.resolved("epochs"), ""

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Remember the loss of rows that were held out in turn."""
        with self._lock:
            if epoch == 1:
                self._start_curve(IN_TURN)
            self._epoch = epoch
            self._curves[-1].add(EpochRecord(epoch, math.nan, val_loss, math.nan, math.nan))

    def stage_starts(self, stage: str) -> None:
        """Remember what is trained from now on."""
        with self._lock:
            self._stage = stage

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Begin a curve."""
        with self._lock:
            self._pace.start(config.resolved("epochs"), rows)
            self._epoch = 0
            self._start_curve(self._stage)

    def rows_done(self, epoch: int, rows: int) -> None:
        """Remember how far an epoch is."""
        with self._lock:
            self._epoch = epoch
            self._pace.rows_done(epoch, rows)

    def epoch_done(self, record: EpochRecord) -> None:
        """Remember what an epoch came to."""
        with self._lock:
            self._epoch = record.epoch
            self._curves[-1].add(record)

    def follow(self, stage: str, records: list[EpochRecord], epochs: int) -> None:
        """Remember these epochs of a stage, of so many, in place of all before."""
        curve = Curve(stage)
        for record in records:
            curve.add(record)
        with self._lock:
            self._trained = sum(record.seconds for record in records)
            self._curves, self._epoch = [curve], len(records)
            self._pace.start(epochs, 1)
            self._pace.rows_done(self._epoch, 1)

    def _start_curve(self, name: str) -> None:
        again = sum(curve.name.split(" · ")[0] == name for curve in self._curves)
        self._curves.append(Curve(f"{name} · again" if again else name))

    @property
    def has_started(self) -> bool:
        """Whether any step was taken, or is about to be."""
        return bool(self._curves)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._began

    def where(self) -> str:
        """Word how far training is."""
        with self._lock:
            stage = self._curves[-1].name if self._curves else ""
            epochs = (
                f"epoch {self._epoch:,} of {self._pace.epochs:,}" if self._epoch else "the start"
            )
            return f"{stage}, {epochs}" if stage else epochs

    def lines(self) -> list[tuple[float, str]]:
        """Return all that was said, with when."""
        with self._lock:
            return list(self._lines)

    def progress(self) -> dict[str, Any]:
        """Return how far training is, and its last figures."""
        with self._lock:
            curve = self._curves[-1] if self._curves else Curve("")
            last = curve.records[-1] if curve.records else None
            in_turn = curve.name.startswith(IN_TURN)
            left = self._pace.seconds_left
            return {
                "stage": curve.name,
                "epoch": self._epoch,
                "epochs": self._pace.epochs,
                "share": self._epoch / max(1, self._pace.epochs) if in_turn else self._pace.share,
                "rate": None if in_turn else self._pace.rate or None,
                "left": None if in_turn else left,
                "loss": _finite(last.loss if last else None),
                "val_loss": _finite(last.val_loss if last else None),
                "seconds": self.seconds if self._trained is None else _finite(self._trained),
            }

    def panels(self) -> list[Lines]:
        """Return the losses of each stage, the newest first, and the learning rate of that."""
        with self._lock:
            panels = [_losses(curve) for curve in self._curves if curve.records]
            rates = [_rates(curve) for curve in self._curves[-1:] if curve.records]
        return [*panels[:-2:-1], *(own for own in rates if own.series), *panels[-2::-1]]


def _losses(curve: Curve) -> Lines:
    epochs = curve.values("epoch")
    series = tuple(Series(label, epochs, curve.values(name)) for name, label in LOSSES)
    return Lines(f"Loss: {curve.name}" if curve.name else "Loss", _axes(curve), series)


def _rates(curve: Curve) -> Lines:
    epochs, rates = curve.values("epoch"), curve.values("learning_rate")
    series = (Series("learning rate", epochs, rates),) if np.isfinite(rates).any() else ()
    return Lines("Learning rate", _axes(curve, "learning rate"), series)


def _axes(curve: Curve, y: str = "loss") -> Axes:
    return Axes("epoch" if curve.every == 1 else f"epoch (every {curve.every} shown)", y)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
