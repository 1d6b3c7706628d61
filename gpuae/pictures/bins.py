"""The bars of histograms: so many, so wide."""

from __future__ import annotations

import numpy as np

from gpuae.pictures.picture import Vector

FEWEST, MOST = 15, 50


def bars(count: int) -> int:
    """Return how many bars suit so many values: 2·∛n, the rule of Rice University, within bounds.

    Source: D. Lane, "Online statistics education", chapter 2, "Histograms".
    """
    return int(np.clip(2 * np.cbrt(count), FEWEST, MOST))


def edges(low: float, high: float, count: int) -> Vector:
    """Return the edges of equal bars for so many values from `low` to `high`; one, if all are one.

    That one is a hundredth of the value wide at each side.
    """
    if high > low:
        return np.linspace(low, high, bars(count) + 1)
    apart = abs(low) / 100 or 0.5
    return np.array([low - apart, low + apart])
