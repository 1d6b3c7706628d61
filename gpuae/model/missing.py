"""Missing values: NaN in the rows, replaced by the mean that their column has in training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model.statistics import RowWeights, Vector, weighted_blocks, weighted_sum
from gpuae.storage.rows.views import Filled, as_array, has_missing


def learn_fill(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    config: Config,
    names: tuple[str, ...] | None = None,
    weights: RowWeights = None,
) -> Vector | None:
    """Return the mean (d,) of each column's values in the chosen rows of x (n, d).

    A row counts by its weight, if there are weights (n,). None where missing values are refused.

    Raises
    ------
    InputError
        For a column without any value, by its name if that is known.
    """
    if config.missing == "refuse":
        return None
    count = np.zeros(x.shape[1])
    mean = np.zeros(x.shape[1])
    origin = np.full(x.shape[1], np.nan)  # a value of each column: sums far from 0 lose digits
    for own_type, own_weights in weighted_blocks(x, rows, weights):
        block = own_type.astype(np.float64)
        there = ~np.isnan(block)
        new = np.flatnonzero(np.isnan(origin) & there.any(axis=0))
        origin[new] = block[there[:, new].argmax(axis=0), new]
        values = np.where(there, block - origin, 0.0)
        own = weighted_sum(there, own_weights)
        count += own
        mean += (weighted_sum(values, own_weights) - own * mean) / np.where(count, count, 1)
    if not count.all():
        raise InputError(_without_values(np.flatnonzero(count == 0), names))
    return origin + mean


def _without_values(columns: NDArray[np.intp], names: tuple[str, ...] | None) -> str:
    first = int(columns[0])
    which = repr(names[first]) if names else f"{first + 1} (counted from 1)"
    others = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return (
        f"column {which}{others} has no value in any training row, so there is no mean to fill it "
        "with; leave it out"
    )


def filled(x: Any, fill: Vector | None) -> Any:
    """Return rows (n, d) with their missing values filled as they are asked for."""
    return x if fill is None or x.dtype.kind != "f" else Filled(x, fill)


def filled_once(x: NDArray[Any], fill: Vector | None) -> NDArray[Any]:
    """Return rows (n, d) with missing values filled, so that they can be gathered in any order."""
    if fill is None or not has_missing(x):
        return x
    return as_array(Filled(x, fill), x)
