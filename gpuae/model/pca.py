"""Principal axes of preprocessed rows: where training starts from, and what it is measured by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.model.preprocess import Preprocess
from gpuae.model.statistics import Vector, blocks

EXACT_SIZE = 2048
"""Up to so many columns, or rows, the axes are exact; beyond both they come from iteration."""
GRAM_BYTES = 1 << 28
"""Rows by whose products the axes are found are at once in memory, in float64."""
COVARIANCE_WORK = 2e11
"""More multiplications are not spent on a covariance: rows are left out, evenly."""
FEWEST_ROWS_A_COLUMN = 16
EXTRA_AXES, MOST_PASSES, ACCURACY = 10, 30, 1e-4
"""Of subspace iteration: it ends when the variance found grows by a smaller share in a pass."""


@dataclass(frozen=True)
class PrincipalAxes:
    """The leading principal axes of preprocessed training rows.

    Attributes
    ----------
    mean
        Of each preprocessed column, (d,).
    axes
        Orthonormal columns, (d, k), by falling variance; the largest entry of each is positive.
    variances
        Along each axis, (k,); divisor n.
    """

    mean: Vector
    axes: NDArray[np.float64]
    variances: Vector


def principal_axes(
    x: NDArray[Any], rows: NDArray[np.int64], preprocess: Preprocess, count: int
) -> PrincipalAxes:
    """Return the first `count` principal axes of the chosen rows of x (n, d), preprocessed.

    Fewer are returned where the rows span fewer dimensions. The axes are exact where columns or
    rows are at most EXACT_SIZE. Otherwise a subspace is iterated: N. Halko, P. Martinsson,
    J. Tropp, "Finding structure with randomness", 2011, algorithm 4.4, on the covariance. Where
    rows are very many, some of them, evenly spaced, stand for all.
    """
    columns = x.shape[1]
    rows = _evenly(rows, columns)
    count = min(count, columns, len(rows))

    def preprocessed() -> Iterator[NDArray[np.float64]]:
        return (preprocess.forward(block) for block in blocks(x, rows))

    mean = np.asarray(sum(block.sum(axis=0) for block in preprocessed())) / len(rows)

    def centred() -> Iterator[NDArray[np.float64]]:
        return (block - mean for block in preprocessed())

    if columns <= EXACT_SIZE:
        values, axes = _by_covariance(centred, columns, count)
    elif len(rows) <= EXACT_SIZE and 8 * len(rows) * columns <= GRAM_BYTES:
        values, axes = _by_products_of_rows(np.concatenate(list(centred())), count)
    else:
        values, axes = _by_iteration(centred, columns, count)
    some = values > len(rows) * np.finfo(float).eps * max(values[0], 0.0)
    values, axes = values[some], axes[:, some]
    largest = np.argmax(np.abs(axes), axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    return PrincipalAxes(mean, axes, values / len(rows))


def _evenly(rows: NDArray[np.int64], columns: int) -> NDArray[np.int64]:
    """Return as many of the rows, evenly spaced, as are enough for the axes of so many columns."""
    width = min(columns, EXACT_SIZE)
    most = max(int(COVARIANCE_WORK / (columns * width)), FEWEST_ROWS_A_COLUMN * width)
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


Blocks = Callable[[], Iterator[NDArray[np.float64]]]


def _by_covariance(centred: Blocks, columns: int, count: int) -> tuple[Vector, NDArray[np.float64]]:
    """Return the largest eigenvalues of Σ xᵀx, falling, and their axes."""
    from scipy.linalg import eigh

    scatter = np.zeros((columns, columns))
    for block in centred():
        scatter += block.T @ block
    values, axes = eigh(scatter, subset_by_index=(columns - count, columns - 1))
    return values[::-1], axes[:, ::-1]


def _by_products_of_rows(
    centred: NDArray[np.float64], count: int
) -> tuple[Vector, NDArray[np.float64]]:
    """Return the same by the eigenvectors of x xᵀ."""
    from scipy.linalg import eigh

    rows = len(centred)
    values, left = eigh(centred @ centred.T, subset_by_index=(rows - count, rows - 1))
    values, left = values[::-1], left[:, ::-1]
    return values, centred.T @ left / np.sqrt(np.maximum(values, np.finfo(float).tiny))


def _by_iteration(centred: Blocks, columns: int, count: int) -> tuple[Vector, NDArray[np.float64]]:
    """Return them by subspace iteration, with some axes more than are asked for."""
    width = min(count + EXTRA_AXES, columns)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((columns, width)))[0]
    found = 0.0
    for _ in range(MOST_PASSES):
        image = np.zeros((columns, width))
        for block in centred():
            image += block.T @ (block @ axes)
        values, turn = np.linalg.eigh(axes.T @ image)
        values, turned = values[::-1][:count], axes @ turn[:, ::-1][:, :count]
        if values.sum() <= (1 + ACCURACY) * found:
            break
        found = float(values.sum())
        axes = np.linalg.qr(image)[0]
    return values, turned
