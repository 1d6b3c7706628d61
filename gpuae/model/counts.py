"""Counts of rows that differ in their totals: brought to one total, and their logarithms.

ln(1 + x·t/Σx), t the median of the training rows' totals, as is usual for the counts of single
cells: A. Wolf et al., "SCANPY: large-scale single-cell gene expression data analysis", 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.model.statistics import RowWeights, Vector, weighted_blocks
from gpuae.storage.rows.lazy_rows import AnyRows

Matrix = NDArray[np.float64]


def totals_of(x: NDArray[Any]) -> Matrix:
    """Return the sum of each row of x (m, d), as (m, 1)."""
    return np.asarray(x.sum(axis=1, dtype=np.float64, keepdims=True))


def logs_of_counts(x: NDArray[Any], total: float) -> Matrix:
    """Return ln(1 + x·t/Σx) of rows x (m, d), t being `total`; 0 where a row's sum is 0."""
    sums = totals_of(x)
    return np.log1p(x * (total / np.where(sums == 0, total, sums)))


def counts_of_logs(logs: Matrix, total: float, rows: NDArray[Any] | None = None) -> Matrix:
    """Invert `logs_of_counts` for logs (m, d) of rows whose totals are those of `rows` (m, d).

    Without them the totals are t. A logarithm below 0, of which there is no count, becomes 0.
    """
    counts = np.expm1(np.maximum(logs, 0.0))
    return counts if rows is None else counts * (totals_of(rows) / total)


def median_total(x: AnyRows, rows: NDArray[np.int64] | None, weights: RowWeights) -> float:
    """Return the median of the sums of the chosen rows of x (n, d) that are above 0; 1 of none.

    A row counts by its weight, if there are weights (n,).
    """
    sums, counts = [], []
    for block, own in weighted_blocks(x, rows, weights):
        sums.append(totals_of(block)[:, 0])
        counts.append(np.ones(len(block)) if own is None else own)
    totals, weight = np.concatenate(sums), np.concatenate(counts)
    above = totals > 0
    return _median(totals[above], weight[above]) if above.any() else 1.0


def _median(values: Vector, weights: Vector) -> float:
    """Return the value below which half of the weight lies; the mean of two that share it."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    below = np.searchsorted(share, 0.5 * (1 - 1e-12))
    beyond = np.searchsorted(share, 0.5 * (1 + 1e-12), side="right")
    return float(values[order[[below, beyond]]].mean())


def check_counts(x: NDArray[Any], names: tuple[str, ...] | None = None) -> None:
    """Refuse rows of x (m, d) with a value below 0, by the name of its column if that is known.

    Raises
    ------
    InputError
        Naming the column and the value.
    """
    if x.dtype.kind in "ub" or not x.size or not x.min() < 0:
        return
    column = int(np.argmax((x < 0).any(axis=0)))
    which = repr(names[column]) if names else f"{column + 1} (counted from 1)"
    raise InputError(
        f"column {which} has the value {float(x[:, column].min()):g}, and the model takes counts, "
        "of 0 or more (scale=log1p); give counts that nothing was subtracted from"
    )
