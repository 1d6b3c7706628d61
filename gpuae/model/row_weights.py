"""Weights of rows: a row of weight 2 counts as two rows in what is learnt and measured."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.model.statistics import RowWeights, Vector
from gpuae.storage.rows.sparse_rows import SparseRows
from gpuae.storage.rows.views import ChosenRows, as_array
from gpuae.words import counted


def checked_weights(values: Any, rows: int, source: str) -> Vector:
    """Return weights (n,) as they were given, in float64.

    Parameters
    ----------
    values
        Anything that is an array of numbers, (n,) or (n, 1).
    source
        What messages call the weights.

    Raises
    ------
    InputError
        Where they are not one number of 0 or more for each row, or all are 0.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        raise InputError(
            f"{source}: holds {_kind(given)}, no numbers; give one number for each row"
        )
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise InputError(f"{source}: has shape {given.shape}; give one number for each row")
    if len(given) != rows:
        raise InputError(
            f"{source}: has {counted(len(given), 'weight')} for {counted(rows, 'row')}; give one "
            "a row"
        )
    weights = given.astype(np.float64)
    for row in np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[:1]:
        raise InputError(
            f"{source}: the weight of row {row + 1} is {weights[row]:g}; give finite numbers of 0 "
            "or more"
        )
    if not weights.any():
        raise InputError(f"{source}: all weights are zero; give some rows a weight above 0")
    return weights


def _kind(given: NDArray[Any]) -> str:
    return "text" if given.dtype.kind in "US" else str(given.dtype)


def weights_sha256(weights: Vector) -> str:
    """Return the SHA-256 of weights (n,) as float64, the lowest byte of each first."""
    return hashlib.sha256(np.ascontiguousarray(weights, "<f8").tobytes()).hexdigest()


def chosen(weights: RowWeights, rows: NDArray[np.int64]) -> RowWeights:
    """Return the weights of some rows, by their numbers."""
    return None if weights is None else weights[rows]


def balanced(weights: RowWeights, *groups: NDArray[np.int64]) -> RowWeights:
    """Return weights (n,) whose mean is 1 over the rows of each group, by their numbers.

    None where the rows of each group count the same.
    """
    if weights is None or all(np.ptp(weights[rows]) == 0 for rows in groups if len(rows)):
        return None
    own = np.ones_like(weights)
    for rows in groups:
        if len(rows):
            largest = weights[rows].max()  # divided by first: sums of huge weights overflow
            shares = weights[rows] / largest
            own[rows] = shares / shares.mean()
    return own


def that_count(x: NDArray[Any], weights: Vector) -> tuple[NDArray[Any], Vector]:
    """Return the rows of x (n, d) whose weight is not 0, and their weights."""
    rows = np.flatnonzero(weights)
    if len(rows) == len(x):
        return x, weights
    if isinstance(x, SparseRows):
        return x.only(rows), weights[rows]
    return as_array(ChosenRows(x, rows), x), weights[rows]
