"""Scaling and whitening: learnt from the training rows, kept in the model, inverted on output.

Of counts (scale=log1p) x are the logarithms of `gpuae.model.counts`.

scaled = clip((x − center)·factor, clip_low, clip_high), then, where data are whitened,
preprocessed = (scaled − whiten_mean)·whiten, and back scaled = preprocessed·unwhiten + whiten_mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.model.counts import counts_of_logs, logs_of_counts, median_total
from gpuae.model.statistics import (
    ColumnStatistics,
    RowWeights,
    Vector,
    column_statistics,
    total_weight,
    weighted_blocks,
    weighted_sum,
    within_rounding,
)

SIGMA_SPAN = 3.0
SIGMA_LOW, SIGMA_HIGH = 0.1, 0.9
SHRINKAGE = 0.01
"""Share of the mean variance of all columns in that of a column, for scale=shrunk."""
WHITEN_MAX_COLUMNS = 16_384
FINE = 2.0**-19
"""Share of a column's spread that rounding may move it by."""
REACH = 2.0**20
"""Outputs are taken to stay within so many times a column's spread."""


@dataclass(frozen=True)
class Whitening:
    """mean (d,), forward and back (d, d)."""

    mean: Vector
    forward: NDArray[np.float64]
    back: NDArray[np.float64]


@dataclass(frozen=True)
class Preprocess:
    """How raw rows become the network's input; all arrays float64.

    Attributes
    ----------
    center, factor
        Of each column, (d,).
    clip_low, clip_high
        Where scaled values are cut off; infinite but for scale=sigma.
    low, high
        Lowest and highest preprocessed training value of each column, (d,).
    fill
        What missing values of each column become before all else, (d,); None: they are refused.
    total
        Of rows of counts: what their totals are brought to before their logarithms are taken.
    """

    center: Vector
    factor: Vector
    clip_low: float
    clip_high: float
    low: Vector
    high: Vector
    whitening: Whitening | None = None
    fill: Vector | None = None
    total: float | None = None

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all numbers under the names they have in a model file."""
        optional = ("whitening", "fill", "total")
        plain = (field.name for field in fields(self) if field.name not in optional)
        stored = {name: np.asarray(getattr(self, name), np.float64) for name in plain}
        if self.whitening is not None:
            stored["whiten_mean"] = self.whitening.mean
            stored["whiten"] = self.whitening.forward
            stored["unwhiten"] = self.whitening.back
        if self.fill is not None:
            stored["fill"] = self.fill
        if self.total is not None:
            stored["total"] = np.asarray(self.total, np.float64)
        return stored

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> Preprocess:
        """Invert `arrays`."""
        whitening = None
        if "whiten" in stored:
            whitening = Whitening(stored["whiten_mean"], stored["whiten"], stored["unwhiten"])
        return cls(
            center=stored["center"],
            factor=stored["factor"],
            clip_low=float(stored["clip_low"]),
            clip_high=float(stored["clip_high"]),
            low=stored["low"],
            high=stored["high"],
            whitening=whitening,
            fill=stored.get("fill"),
            total=float(stored["total"]) if "total" in stored else None,
        )

    def measured(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return rows (m, d) as they are scaled, in float64: the logarithms, of counts."""
        return x.astype(np.float64) if self.total is None else logs_of_counts(x, self.total)

    def scaled(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Scale rows (m, d), without whitening, in float64."""
        shifted = (self.measured(x) - self.center) * self.factor
        return np.clip(shifted, self.clip_low, self.clip_high)

    def centers(self) -> tuple[Vector, Vector]:
        """Return what to subtract before the scaling and what after it, each (d,).

        The mean of whitening is subtracted before as far as it can be, because values far from 0
        lose their differences once they are rounded.
        """
        if self.whitening is None:
            return self.center, np.zeros_like(self.center)
        mean = self.whitening.mean
        if np.isfinite(self.clip_low):
            return self.center, mean
        before = self.center + mean / self.factor
        return before, mean - (before - self.center) * self.factor

    def ends(self) -> tuple[Vector, Vector]:
        """Return the lowest and the highest preprocessed value that a column may take, each (d,).

        Columns that are scaled by the same numbers, as pixels are, have the ends of all of them.
        """
        alike = self.whitening is None and not np.ptp(self.center) and not np.ptp(self.factor)
        if not alike:
            return self.low, self.high
        return np.full_like(self.low, self.low.min()), np.full_like(self.high, self.high.max())

    def is_lost_in(self, dtype: np.dtype[Any]) -> bool:
        """Whether a column is so far from 0 that rounding to this type shows beside its spread."""
        center, _ = self.centers()
        with np.errstate(over="ignore"):
            rounding = np.abs(center.astype(dtype).astype(np.float64) - center)
        return not bool((rounding <= FINE * self._spread()).all())

    def overflows(self, dtype: np.dtype[Any]) -> bool:
        """Whether rows in the data's own units may be too large or too small for this type."""
        limits = np.finfo(dtype)
        with np.errstate(over="ignore"):
            reach = np.abs(self.centers()[0]) + REACH * self._spread()
        smallest = float(limits.tiny) / float(limits.eps)
        return bool((reach > limits.max).any() or (1 / self.factor < smallest).any())

    def _spread(self) -> Vector:
        """Return how far apart values of each column are, in the data's own units, (d,)."""
        scaled = 1.0 if self.whitening is None else np.linalg.norm(self.whitening.back, axis=0)
        return np.asarray(scaled / self.factor)

    def forward(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Preprocess rows (m, d) without missing values, in float64."""
        return self._whitened(self.scaled(x))

    def _whitened(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.whitening is None:
            return scaled
        return np.asarray((scaled - self.whitening.mean) @ self.whitening.forward)

    def backward(
        self, preprocessed: NDArray[np.float64], rows: NDArray[Any] | None = None
    ) -> NDArray[np.float64]:
        """Invert `forward` but for the clipping.

        Counts have the totals of `rows` (m, d); without them `total`.
        """
        return self.restored(self.unscaled(preprocessed), rows)

    def unscaled(self, preprocessed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows (m, d) as they were `measured`."""
        scaled = preprocessed
        if self.whitening is not None:
            scaled = preprocessed @ self.whitening.back + self.whitening.mean
        return scaled / self.factor + self.center

    def restored(
        self, measured: NDArray[np.float64], rows: NDArray[Any] | None = None
    ) -> NDArray[np.float64]:
        """Invert `measured`, for rows whose totals are those of `rows`, as in `backward`."""
        return measured if self.total is None else counts_of_logs(measured, self.total, rows)

    def logs_from(
        self, other: Preprocess, preprocessed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return logarithms of counts (m, d) that were preprocessed by another one as by this one.

        Those below 0, which counts have not, are moved as 0 is.
        """
        if self.total is None or other.total is None:
            raise ValueError("logarithms of counts are of scale=log1p")
        logs = other.unscaled(preprocessed)
        counts = np.expm1(np.maximum(logs, 0.0))
        scaled = logs + np.log1p(counts * (self.total / other.total)) - np.log1p(counts)
        return self._whitened(scaled - self.center)


def fit_preprocess(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    config: Config,
    statistics: ColumnStatistics,
    weights: RowWeights = None,
    categories: int = 0,
) -> Preprocess:
    """Learn scaling and whitening of a resolved configuration from the chosen rows of x (n, d).

    The rows, of which these are the statistics, count by their weights (n,), if they have any. The
    last columns, as many as `categories` says, are of categories and taken as they are.
    """
    total, dtype = None, x.dtype
    if config.scale == "log1p":
        total, dtype = median_total(x, rows, weights), np.dtype(np.float64)
        logs = partial(logs_of_counts, total=total)
        statistics = column_statistics(x, rows, weights, logs)
    center, factor = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if numbers := x.shape[1] - categories:
        learnt = _SCALES[config.scale or "none"](statistics.first(numbers), dtype)
        center[:numbers], factor[:numbers] = learnt
    clip = (SIGMA_LOW, SIGMA_HIGH) if config.scale == "sigma" else (-np.inf, np.inf)
    scaling = Preprocess(
        center, factor, *clip, low=statistics.lowest, high=statistics.highest, total=total
    )
    ends = replace(scaling, total=None).scaled(np.stack([statistics.lowest, statistics.highest]))
    whitening = None
    if config.whiten != "none":
        constant = statistics.constant(dtype)
        whitening = _fit_whitening(scaling, x, rows, constant, config, weights)
        ends = _whitened_ends(scaling, whitening, x, rows)
    return replace(scaling, low=ends[0], high=ends[1], whitening=whitening)


def _scale_none(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    columns = len(statistics.mean)
    return np.zeros(columns), np.ones(columns)


def _scale_unit(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    columns = len(statistics.mean)
    if np.issubdtype(dtype, np.integer):
        return np.zeros(columns), np.full(columns, 1.0 / np.iinfo(dtype).max)
    lowest, highest = np.min(statistics.lowest), np.max(statistics.highest)
    spread = 0.0 if within_rounding(lowest, highest, dtype) else highest - lowest
    return np.full(columns, lowest), np.full(columns, _inverse(spread, dtype))


def _scale_standard(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    constant = statistics.constant(dtype)
    deviation = np.where(constant, 0.0, np.sqrt(statistics.variance))
    center = np.where(constant, statistics.lowest, statistics.mean)
    return center, _inverse(deviation, dtype)


def _scale_pooled(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    """Centre each column and divide all by one deviation, the root of the mean variance."""
    pooled = np.sqrt(_variance(statistics, dtype).mean())
    return statistics.mean, np.full(len(statistics.mean), _inverse(pooled, dtype))


def _scale_shrunk(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    """Centre each column and divide by a deviation a little nearer to that of all columns."""
    own = _variance(statistics, dtype)
    shrunk = (1 - SHRINKAGE) * own + SHRINKAGE * own.mean()
    return statistics.mean, _inverse(np.sqrt(shrunk), dtype)


def _variance(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> Vector:
    return np.where(statistics.constant(dtype), 0.0, statistics.variance)


def _scale_log1p(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    """Centre each column of logarithms."""
    return statistics.mean, np.ones(len(statistics.mean))


def _scale_minmax(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    spread = np.where(statistics.constant(dtype), 0.0, statistics.highest - statistics.lowest)
    return statistics.lowest, _inverse(spread, dtype)


def _scale_sigma(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> tuple[Vector, Vector]:
    """Map mean ± 3σ, both over all rows and columns, to [0.1, 0.9]."""
    columns = len(statistics.mean)
    lowest, highest = float(statistics.lowest.min()), float(statistics.highest.max())
    constant = within_rounding(lowest, highest, dtype)
    deviation = float(1.0 / _inverse(0.0 if constant else statistics.total_deviation, dtype))
    center = statistics.total_mean - SIGMA_SPAN * deviation
    factor = (SIGMA_HIGH - SIGMA_LOW) / (2 * SIGMA_SPAN * deviation)
    return np.full(columns, center - SIGMA_LOW / factor), np.full(columns, factor)


def _inverse(spread: Vector | float, dtype: np.dtype[Any]) -> Vector:
    """Return 1/spread, and 1 where the spread is too small to divide by in the rows' precision."""
    smallest = np.finfo(np.result_type(dtype, np.float32)).tiny
    return np.asarray(1.0 / np.where(np.asarray(spread) > smallest, spread, 1.0))


_SCALES: dict[str, Callable[[ColumnStatistics, np.dtype[Any]], tuple[Vector, Vector]]] = {
    "none": _scale_none,
    "unit": _scale_unit,
    "standard": _scale_standard,
    "shrunk": _scale_shrunk,
    "pooled": _scale_pooled,
    "minmax": _scale_minmax,
    "sigma": _scale_sigma,
    "log1p": _scale_log1p,
}


def _scaled_blocks(
    scaling: Preprocess, x: NDArray[Any], rows: NDArray[np.int64], weights: RowWeights = None
) -> Iterator[tuple[NDArray[np.float64], RowWeights]]:
    return ((scaling.scaled(block), own) for block, own in weighted_blocks(x, rows, weights))


def _fit_whitening(
    scaling: Preprocess,
    x: NDArray[Any],
    rows: NDArray[np.int64],
    constant: NDArray[np.bool_],
    config: Config,
    weights: RowWeights,
) -> Whitening:
    """Rotate to the principal axes and divide by their deviations; zca rotates back.

    The variance of an axis counts for more by the share `whiten_epsilon` of the largest one, so
    that axes of noise alone do not come to count as much as the others.

    Columns that are `constant` (d,) but for their rounding take no part.

    Raises
    ------
    ConfigError
        Where there are so many columns that the rotation would not fit in memory.

    Source: A. Bell, T. Sejnowski, "The 'independent components' of natural scenes are edge
    filters", 1997.
    """
    if x.shape[1] > WHITEN_MAX_COLUMNS:
        raise ConfigError(
            f"whiten: rotates {x.shape[1]} columns by a matrix of as many rows and columns; give "
            f"data of at most {WHITEN_MAX_COLUMNS} columns or leave whiten out"
        )
    mean = _scaled_mean(scaling, x, rows, weights)
    covariance = np.zeros((x.shape[1], x.shape[1]))
    for block, own in _scaled_blocks(scaling, x, rows, weights):
        centred = (block - mean) * ~constant
        covariance += centred.T @ (centred if own is None else centred * own[:, None])
    covariance /= total_weight(len(rows), None if weights is None else weights[rows])
    values, axes = _principal_axes(covariance)
    deviation = np.sqrt(values + config.whiten_epsilon * (values[0] or 1.0))
    forward, back = axes / deviation, (axes * deviation).T
    if config.whiten == "zca":
        forward, back = forward @ axes.T, axes @ back
    return Whitening(mean, forward, back)


def _scaled_mean(
    scaling: Preprocess, x: NDArray[Any], rows: NDArray[np.int64], weights: RowWeights
) -> Vector:
    """Return the mean (d,) of scaled rows, summed from their distances to the first."""
    origin = scaling.scaled(x[rows[:1]])[0]
    moved = np.zeros(x.shape[1])
    for block, own in _scaled_blocks(scaling, x, rows, weights):
        moved += weighted_sum(block - origin, own)
    whole = total_weight(len(rows), None if weights is None else weights[rows])
    return np.asarray(origin + moved / whole)


def _principal_axes(
    covariance: NDArray[np.float64],
) -> tuple[Vector, NDArray[np.float64]]:
    """Return eigenvalues (d,), largest first, and axes (d, d) whose largest entry is positive."""
    values, axes = np.linalg.eigh(covariance)
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    largest = np.argmax(np.abs(axes), axis=0)
    return values, axes * np.sign(axes[largest, np.arange(len(axes))])


def _whitened_ends(
    scaling: Preprocess, whitening: Whitening, x: NDArray[Any], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the lowest and highest whitened value of each column, (2, d)."""
    lowest, highest = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for block, _ in _scaled_blocks(scaling, x, rows):
        whitened = (block - whitening.mean) @ whitening.forward
        lowest = np.minimum(lowest, whitened.min(axis=0))
        highest = np.maximum(highest, whitened.max(axis=0))
    return np.stack([lowest, highest])
