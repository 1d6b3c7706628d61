"""Counts of rows that differ in their totals: brought to one total, and their logarithms.

ln(1 + x·t/Σx), t the median of the training rows' totals, as is usual for the counts of single
cells: A. Wolf et al., "SCANPY: large-scale single-cell gene expression data analysis", 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model.statistics import RowWeights, Vector, weighted_blocks
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import gathered

Matrix = NDArray[np.float64]

PLACES, IN_A_ROW = 8, 32
"""So many rows in so many places are looked at to see whether the values are counts: around each
place a system brings a part of a mapped file into memory."""
MOSTLY = 0.5
"""More of the values than this are 0 where counts are many and small."""
FEW_ROWS, FEW_COLUMNS = 20, 20
"""Fewer do not show it."""


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


def counts_note(config: Config, x: NDArray[Any], rows: NDArray[np.int64]) -> str | None:
    """Say that the chosen rows of x (n, d) look like counts, where they are scaled by columns.

    They do where values are whole numbers, most of them 0, some above 1, and totals differ.
    """
    if config.scale != "standard" or len(rows) < FEW_ROWS or x.shape[1] < FEW_COLUMNS:
        return None
    some = gathered(x, _looked_at(rows))
    whole = some.dtype.kind in "iu" or not np.mod(some, 1).any()
    if not whole or some.min() < 0 or some.max() <= 1 or (some == 0).mean() <= MOSTLY:
        return None
    if not np.ptp(totals_of(some)):
        return None
    return (
        "the values look like counts, most of them 0: scale=log1p, which divides each row by its "
        "total and takes logarithms, tells kinds of rows apart that scaling by columns hides"
    )


def _looked_at(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return some of the rows, in places that are evenly spread."""
    step = max(IN_A_ROW, len(rows) // PLACES)
    return np.concatenate([rows[at : at + IN_A_ROW] for at in range(0, len(rows), step)])
