"""Where small plots lie beside each other, and where their values lie in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Profiles

WIDTHS = ((9, 2.0), (36, 1.45), (100, 1.1))
"""Up to so many plots have so many inches."""
LEAST_WIDTH = 0.7
PROPORTION = 0.62
PITCH = 0.15
"""Inches of a name of a column, which a bar has to itself."""
WIDEST, TALLEST = 22.0, 100.0
GAP = 0.08
"""Inches between plots."""
STRIP = 0.14
"""Inches of a line of captions."""
INSIDE = 0.06
"""Share of a plot that stays free at each end of its values."""


@dataclass(frozen=True)
class Cells:
    """Where plots lie, in inches from the top left corner of the panel; down is positive."""

    number: int
    across: int
    width: float
    height: float
    strip: float

    @classmethod
    def of(cls, panel: Profiles) -> Cells:
        """Choose how large plots are, by their number, columns and captions."""
        number, columns = panel.values.shape[1:]
        across = max(1, min(panel.across, number))
        width = next((own for most, own in WIDTHS if number <= most), LEAST_WIDTH)
        width = min(width, WIDEST / across - GAP)
        strip = STRIP if any(panel.captions) else 0.0
        rows = math.ceil(number / across)
        height = max(columns * PITCH, 0.4) if panel.bars else width * PROPORTION
        height = min(height, max(TALLEST / max(rows, 1) - strip - GAP, 0.1))
        return cls(number, across, width, height, strip)

    @property
    def rows(self) -> int:
        """Rows of plots."""
        return math.ceil(self.number / self.across)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of all."""
        height = self.rows * (self.height + self.strip + GAP) - GAP
        return self.across * (self.width + GAP) - GAP, height

    @property
    def foot(self) -> float:
        """Where the plot in the lower left corner ends."""
        return self.size[1]

    def left(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where plots begin at their left."""
        return np.asarray((number % self.across) * (self.width + GAP), np.float64)

    def bottom(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where plots end at their foot; captions are above them."""
        step = self.height + self.strip + GAP
        return np.asarray((number // self.across + 1) * step - GAP, np.float64)


@dataclass(frozen=True)
class Span:
    """The least and largest values (n,) that plots show."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, panel: Profiles) -> Span:
        """Find what all plots have to show, or each of them; bars begin at 0."""
        values = np.where(np.isfinite(panel.values), panel.values, np.nan)
        axes = (0, 1, 2) if panel.shared else (0, 2)
        least = np.nanmin(_known(values), axis=axes)
        most = np.nanmax(_known(values), axis=axes)
        if panel.bars:
            least, most = np.minimum(least, 0.0), np.maximum(most, 0.0)
        flat = np.where(most > least, 0.0, np.maximum(abs(most), 1.0) / 2)
        low, high = least - flat, most + flat
        free = INSIDE * (high - low)
        count = panel.values.shape[1]
        return cls(*(np.broadcast_to(own, (count,)) for own in (low - free, high + free)))

    def share(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where values (n, …) lie, from 0 to 1."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        low, high = self.low.reshape(shape), self.high.reshape(shape)
        return np.asarray((values - low) / (high - low))

    def first(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where values lie in the first plot."""
        return np.asarray((values - self.low[0]) / (self.high[0] - self.low[0]))

    @property
    def both_signs(self) -> NDArray[np.bool_]:
        """Whether 0 lies between (n,)."""
        return (self.low < 0) & (self.high > 0)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with 0 in plots that have none."""
    nothing = np.isnan(values).all(axis=(0, 2), keepdims=True)
    return np.where(nothing, 0.0, values)
