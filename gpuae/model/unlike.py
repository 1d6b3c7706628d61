"""Whether rows are like those that a model was trained on, found out while they pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.model.model import Model
from gpuae.model.preprocess import Preprocess
from gpuae.model.statistics import Vector

LOOKED_AT = 512
"""About so many rows, spread evenly, are held against the range; more would cost time."""
BY_CHANCE = 0.01
"""Part of rows like those of training that may be conspicuous."""
TIMES_CHANCE, DEVIATIONS = 5, 4
"""Rows are unlike where more are conspicuous than so many times that, and beyond all accident."""

SAME = 1e-6
"""Values are the same that differ by so small a share."""

HELD_OUT_ROWS, HELD_OUT_ERROR, HELD_OUT_BEYOND = (
    "held_out_rows",
    "held_out_error",
    "held_out_beyond",
)
"""Attributes of a model: how many held-out rows were measured after training; the error that at
most `BY_CHANCE` of them exceed; and the part of them that lies beyond the range."""


@dataclass
class Unlike:
    """Counts rows with a value far beyond the training range, or with an error above those then.

    Far is by more than the width of the column's range; for a column that was constant it is any
    other value. Whitened columns have no range of their own and are left out. Called from several
    threads.
    """

    model: Model
    limits: tuple[Vector, Vector] | None
    """Of each column in the data's own units, (d,), or of counts their logarithms."""
    step: int
    """Of the rows every so many are held against the range."""
    looked_at: int = 0
    beyond: int = 0
    heard: int = 0
    above: int = 0
    columns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, model: Model, rows: int) -> Unlike:
        """Prepare to count among so many rows."""
        limits = _limits(model.preprocess)
        columns = np.zeros(len(model.preprocess.center), np.int64)
        return cls(model, limits, max(1, rows // LOOKED_AT), columns=columns)

    def look_at(self, first: int, rows: NDArray[Any]) -> None:
        """Hold raw rows (m, d), whose first has this number, against the range of training."""
        own = rows[-first % self.step :: self.step]
        if self.limits is None or not len(own):
            return
        lowest, highest = self.limits
        own = self.model.preprocess.measured(own)
        beyond = (own < lowest) | (own > highest)
        with self._lock:
            self.looked_at += len(own)
            if beyond.any():
                self.beyond += int(beyond.any(axis=1).sum())
                self.columns += beyond.sum(axis=0)

    def hear_errors(self, errors: NDArray[np.float64]) -> None:
        """Hold the errors (m,) of rows against those of held-out rows."""
        limit = self._fact(HELD_OUT_ERROR, math.inf)
        with self._lock:
            self.heard += len(errors)
            self.above += int((errors > limit).sum())

    def tell(self, note: Callable[[str], None] | None) -> None:
        """Say in a sentence what is conspicuous, if anything is."""
        if note is not None and (remark := self.remark()):
            note(remark)

    def remark(self) -> str | None:
        """Return what is conspicuous, as a sentence; None where nothing is."""
        expected = max(BY_CHANCE, self._fact(HELD_OUT_BEYOND, 0.0))
        if _is_unlike(self.beyond, self.looked_at, expected):
            return (
                f"{self.beyond / self.looked_at:.0%} of the rows have values far beyond the range "
                f"of the training rows, most often in column {self._worst_column()}: the model has "
                "seen nothing like them; check units, columns and their order"
            )
        expected = max(BY_CHANCE, 1 / (1 + self._fact(HELD_OUT_ROWS, 0.0)))
        if _is_unlike(self.above, self.heard, expected):
            return (
                f"{self.above / self.heard:.0%} of the rows are rebuilt worse than "
                f"{1 - BY_CHANCE:.0%} of the rows that were held out in training: the model has "
                "seen few like them"
            )
        return None

    def _fact(self, name: str, otherwise: float) -> float:
        """Return a number that the model keeps of its held-out rows."""
        value = self.model.attributes.get(name)
        return float(value) if isinstance(value, int | float) else otherwise

    def _worst_column(self) -> str:
        column = int(np.argmax(self.columns))
        names = self.model.feature_names
        return repr(names[column]) if names else f"{column} (counted from 0)"


def _is_unlike(count: int, rows: int, expected: float) -> bool:
    deviation = math.sqrt(rows * expected * (1 - expected))
    by_chance = rows * expected + DEVIATIONS * deviation + 1
    return count > max(TIMES_CHANCE * rows * expected, by_chance)


def _limits(preprocess: Preprocess) -> tuple[Vector, Vector] | None:
    """Return a range of three times the width of that in training, (d,) and (d,)."""
    if preprocess.whitening is not None:
        return None
    width = preprocess.high - preprocess.low
    size = np.abs(preprocess.center * preprocess.factor)
    width = np.maximum(width, SAME * (1 + size))
    with np.errstate(over="ignore"):
        lowest = (preprocess.low - width) / preprocess.factor + preprocess.center
        highest = (preprocess.high + width) / preprocess.factor + preprocess.center
    return lowest, highest
