"""Statistics of the columns over many rows, a block at a time, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae import steps
from gpuae.errors import InputError
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import release_pages
from gpuae.storage.rows.sparse_rows import SparseRows

BLOCK_BYTES = 1 << 23
"""Size of a block of rows in float64."""

ROUNDINGS = 4
"""Columns that vary by so many roundings of their largest value at most do not vary."""

PIXEL_COLUMNS = 64
"""Fewer columns are no image."""
SAME_LOW, SAME_HIGH = 0.9, 0.9

Vector = NDArray[np.float64]
RowWeights: TypeAlias = Vector | None
"""How much each row of a matrix (n, d) counts, (n,); None: all count the same."""


@dataclass(frozen=True)
class ColumnStatistics:
    """What scaling needs to know; every array is (d,)."""

    count: float
    """Of rows, or the sum of their weights."""
    lowest: Vector
    highest: Vector
    mean: Vector
    variance: Vector
    """Population variance."""

    def first(self, count: int) -> ColumnStatistics:
        """Leave the others out."""
        arrays = (self.lowest, self.highest, self.mean, self.variance)
        return ColumnStatistics(self.count, *(own[:count] for own in arrays))

    def constant(self, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
        """Return of each column whether it does not vary but for the rounding of its type, (d,)."""
        return within_rounding(self.lowest, self.highest, dtype)

    @property
    def total_mean(self) -> float:
        """Mean over all rows and columns."""
        origin = self.mean[0]
        return float(origin + (self.mean - origin).mean())

    @property
    def total_deviation(self) -> float:
        """Standard deviation over all rows and columns."""
        return float(np.sqrt(self.variance.mean() + self.mean.var()))


def within_rounding(
    lowest: Vector | float, highest: Vector | float, dtype: np.dtype[Any]
) -> NDArray[np.bool_]:
    """Return whether values from lowest to highest differ by rounding in their type at most.

    Whole numbers are not rounded.
    """
    epsilon = np.finfo(dtype).eps if np.issubdtype(dtype, np.floating) else 0.0
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    return np.asarray(np.subtract(highest, lowest) <= ROUNDINGS * float(epsilon) * largest)


def share_one_range(statistics: ColumnStatistics) -> bool:
    """Whether all columns seem to measure the same in the same range, as the pixels of images do.

    Then the columns are many, nearly all that vary begin at the same value and most end near the
    same one. Columns of two values each are none: how often a value comes tells them apart, as it
    does in a table.
    """
    lowest, highest = statistics.lowest, statistics.highest
    varies = lowest < highest
    if len(lowest) < PIXEL_COLUMNS or not varies.any():
        return False
    low, high = lowest[varies].min(), highest.max()
    if (lowest[varies] == low).mean() < SAME_LOW:
        return False
    if np.median(highest[varies]) - low < SAME_HIGH * (high - low):
        return False
    to_ends = (statistics.mean - lowest) * (highest - statistics.mean)
    # the variance is as large as it can be where only the ends occur
    return not np.allclose(to_ends, statistics.variance, rtol=1e-9, atol=0)


def blocks(x: AnyRows, rows: NDArray[np.int64] | None = None) -> Iterator[NDArray[Any]]:
    """Yield the rows of x (n, d) in blocks, in their own dtype; of what is in memory also some."""
    step = max(1, BLOCK_BYTES // (8 * x.shape[1]))
    if rows is None:
        for _, large in row_blocks.blocks(x):
            yield from (large[start : start + step] for start in range(0, len(large), step))
        return
    if not isinstance(x, np.ndarray | SparseRows):
        raise TypeError("rows can be chosen from rows in memory or a map only")
    with steps.step(len(rows), "rows") as told:
        for start in range(0, len(rows), step):
            yield x[rows[start : start + step]]
            told.advance(len(rows[start : start + step]))
            if isinstance(x, np.ndarray):
                release_pages(x)


def weighted_blocks(
    x: AnyRows, rows: NDArray[np.int64] | None, weights: RowWeights
) -> Iterator[tuple[NDArray[Any], RowWeights]]:
    """Yield what `blocks` does, with the weights (m,) of the rows of each block.

    Rows of weight 0 are left out.
    """
    if weights is None:
        yield from ((block, None) for block in blocks(x, rows))
        return
    every, start = weights if rows is None else weights[rows], 0
    for block in blocks(x, rows):
        own = every[start : start + len(block)]
        start += len(block)
        counts = own > 0
        if counts.all():
            yield block, own
        elif counts.any():
            yield block[counts], own[counts]


def total_weight(rows: int, weights: RowWeights) -> float:
    """Return the sum of so many rows' weights, each 1 where they have none."""
    return rows if weights is None else float(weights.sum())


def weighted_sum(matrix: NDArray[Any], weights: RowWeights) -> Vector:
    """Return the sum over rows of a vector (m,) or matrix (m, n), each times its weight."""
    if weights is None:
        return np.asarray(matrix.sum(axis=0))
    return np.asarray((matrix.T * weights).T.sum(axis=0))


def weighted_variance(matrix: NDArray[np.float64], weights: RowWeights) -> float:
    """Return the mean over columns of the population variance of rows (m, n)."""
    if weights is None:
        return float(matrix.var(axis=0).mean())
    mean = weighted_sum(matrix, weights) / weights.sum()
    return float((weighted_sum((matrix - mean) ** 2, weights) / weights.sum()).mean())


def column_statistics(
    x: AnyRows,
    rows: NDArray[np.int64] | None = None,
    weights: RowWeights = None,
    made: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> ColumnStatistics:
    """Summarise the rows of x (n, d), or of an array the chosen ones, each by its weight.

    Or what `made` makes of blocks of them.

    Means and squared deviations of blocks are merged pairwise: T. Chan, G. Golub, R. LeVeque,
    "Algorithms for computing the sample variance", 1983. The first row is subtracted before, so
    that sums of values far from 0 lose nothing.

    Raises
    ------
    InputError
        Where values are so large that their variance is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        statistics = _merged(x, rows, weights, made)
    if np.isnan(statistics.lowest).any():
        raise InputError("the data hold NaN; replace or remove it first")
    if not np.isfinite(statistics.variance).all():
        lowest, highest = np.min(statistics.lowest), np.max(statistics.highest)
        raise InputError(
            f"the data span [{lowest:g}, {highest:g}], too wide to square in float64; divide them "
            "by a power of ten first"
        )
    return statistics


def mean_variance(statistics: ColumnStatistics, dtype: np.dtype[Any]) -> float:
    """Return the mean of the columns' variances; of rows of this type, what is rounding is 0."""
    constant = statistics.constant(dtype)
    return float(np.where(constant, 0.0, statistics.variance).mean())


def _merged(
    x: AnyRows,
    rows: NDArray[np.int64] | None,
    weights: RowWeights,
    made: Callable[[NDArray[Any]], NDArray[Any]] | None,
) -> ColumnStatistics:
    columns = x.shape[1]
    origin = np.zeros(columns)
    count, mean, squares = 0.0, np.zeros(columns), np.zeros(columns)
    lowest, highest = np.full(columns, np.inf), np.full(columns, -np.inf)
    for own, own_weights in weighted_blocks(x, rows, weights):
        block = (own if made is None else made(own)).astype(np.float64)
        lowest = np.minimum(lowest, block.min(axis=0))
        highest = np.maximum(highest, block.max(axis=0))
        if not count:
            origin = block[0].copy()
        block -= origin
        size = total_weight(len(block), own_weights)
        block_mean = weighted_sum(block, own_weights) / size
        gap = block_mean - mean
        between = gap**2 * (count * size / (count + size))
        squares += weighted_sum((block - block_mean) ** 2, own_weights) + between
        count += size
        mean += gap * (size / count)
    return ColumnStatistics(count, lowest, highest, origin + mean, squares / count)
