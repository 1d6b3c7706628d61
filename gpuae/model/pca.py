"""Principal axes of preprocessed rows: where training starts from, and what it is measured by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import Device, get_ops
from gpuae.model.preprocess import Preprocess
from gpuae.model.statistics import (
    RowWeights,
    Vector,
    total_weight,
    weighted_blocks,
    weighted_sum,
)
from gpuae.storage.rows.lazy_rows import AnyRows

EXACT_SIZE = 1024
"""Up to so many columns, or rows, the axes are exact; beyond both they come from iteration."""
GRAM_BYTES = 1 << 28
"""Rows by whose products the axes are found are at once in memory, in float64."""
COVARIANCE_WORK = 1e10
"""More multiplications are not spent on a covariance: rows are left out, evenly."""
FEWEST_ROWS_A_COLUMN = 16
EXTRA_AXES, MOST_BLOCKS, SPAN_BYTES, MOST_PASSES = 10, 8, 1 << 28, 60
"""Of the block Krylov method; its span is begun anew after so many blocks or bytes."""
ACCURACY = 1e-3
"""Of the variance beside the axes, relative, where they are not exact."""

HOST = Device("numpy", "axes are found by the host")

Matrix = NDArray[np.float64]
Blocks = Callable[[], Iterator[Matrix]]


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
        Along each axis, (k,); divisor n, or the sum of the rows' weights.
    """

    mean: Vector
    axes: NDArray[Any]
    variances: Vector

    def first(self, count: int, dtype: str) -> PrincipalAxes:
        """Leave the others out, and give the axes another type."""
        return PrincipalAxes(self.mean, self.axes[:, :count].astype(dtype), self.variances[:count])

    def project(self, preprocessed: Matrix) -> Matrix:
        """Return the projections (m, d) of preprocessed rows (m, d) on the axes."""
        projected: Matrix = (preprocessed - self.mean) @ self.axes @ self.axes.T + self.mean
        return projected

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all numbers under the names they have in a model file."""
        return {"mean": self.mean, "axes": self.axes, "variances": self.variances}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> PrincipalAxes:
        """Invert `arrays`."""
        return cls(stored["mean"], stored["axes"], stored["variances"])


def principal_axes(
    x: AnyRows,
    rows: NDArray[np.int64] | None,
    preprocess: Preprocess,
    count: int,
    weights: RowWeights = None,
) -> PrincipalAxes:
    """Return the first `count` principal axes of the rows of x (n, d), preprocessed.

    Of all rows, or of an array the chosen ones; each counts by its weight, if there are any (n,).

    Fewer are returned where the rows span fewer dimensions. They are exact where columns or rows
    are at most EXACT_SIZE, and otherwise the variance beside them is right to `ACCURACY`. Where
    chosen rows are very many, some of them, evenly spaced, stand for all. The bits do not depend on
    the number of threads, since there is one.
    """
    columns = x.shape[1]
    if rows is not None:
        rows = _evenly(rows, columns)
    count_of_rows = len(x) if rows is None else len(rows)
    count = min(count, columns, count_of_rows)
    with get_ops(HOST).session():
        return _axes(x, rows, preprocess, count_of_rows, count, weights)


def _axes(
    x: AnyRows,
    rows: NDArray[np.int64] | None,
    preprocess: Preprocess,
    count_of_rows: int,
    count: int,
    weights: RowWeights,
) -> PrincipalAxes:
    columns = x.shape[1]
    own = weights if weights is None or rows is None else weights[rows]
    whole = total_weight(count_of_rows, own)

    def preprocessed() -> Iterator[tuple[Matrix, RowWeights]]:
        return (
            (preprocess.forward(block), own) for block, own in weighted_blocks(x, rows, weights)
        )

    mean = np.asarray(sum(weighted_sum(*block) for block in preprocessed())) / whole

    def centred() -> Iterator[Matrix]:
        # the products of such rows are those of the rows, times their weights
        return (
            block - mean if own is None else (block - mean) * np.sqrt(own)[:, None]
            for block, own in preprocessed()
        )

    few_rows = count_of_rows <= EXACT_SIZE and 8 * count_of_rows * columns <= GRAM_BYTES
    if few_rows and count_of_rows < columns:
        values, axes = _by_products_of_rows(np.concatenate(list(centred())), count)
    elif columns <= EXACT_SIZE:
        values, axes = _by_covariance(centred, columns, count)
    else:
        values, axes = _by_krylov(centred, columns, count)
    some = values > count_of_rows * np.finfo(float).eps * max(values[0], 0.0)
    values, axes = values[some], axes[:, some]
    largest = np.argmax(np.abs(axes), axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    return PrincipalAxes(mean, axes, values / whole)


def _evenly(rows: NDArray[np.int64], columns: int) -> NDArray[np.int64]:
    """Return as many of the rows, evenly spaced, as are enough for the axes of so many columns."""
    width = min(columns, EXACT_SIZE)
    most = max(int(COVARIANCE_WORK / (columns * width)), FEWEST_ROWS_A_COLUMN * width)
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _by_covariance(centred: Blocks, columns: int, count: int) -> tuple[Vector, NDArray[np.float64]]:
    """Return the largest eigenvalues of Σ xᵀx, falling, and their axes."""
    scatter = np.zeros((columns, columns))
    for block in centred():
        scatter += block.T @ block
    values, axes = np.linalg.eigh(scatter)
    return values[::-1][:count], axes[:, ::-1][:, :count]


def _by_products_of_rows(
    centred: NDArray[np.float64], count: int
) -> tuple[Vector, NDArray[np.float64]]:
    """Return the same by the eigenvectors of x xᵀ."""
    values, left = np.linalg.eigh(centred @ centred.T)
    values, left = values[::-1][:count], left[:, ::-1][:, :count]
    return values, centred.T @ left / np.sqrt(np.maximum(values, np.finfo(float).tiny))


def _by_krylov(centred: Blocks, columns: int, count: int) -> tuple[Vector, Matrix]:
    """Find them in the span of Ω, CΩ, C²Ω and so on, with Ω random and C = Σ xᵀx.

    Every pass over the rows adds a block. It ends when a pass adds to the variance that is found
    less than a quarter of `ACCURACY` of what is left beside the axes. Source: C. Musco, C. Musco,
    "Randomized block Krylov methods for stronger and faster approximate singular value
    decomposition", 2015; begun anew from the best axes where the span grows large.
    """
    width = min(count + EXTRA_AXES, columns)
    most = max(2, min(MOST_BLOCKS, SPAN_BYTES // (8 * columns * width)))
    draw = np.random.default_rng(0).standard_normal((columns, width))
    block: Matrix = np.linalg.qr(draw)[0]
    basis = images = np.empty((columns, 0))
    total = sum(float(np.vdot(own, own)) for own in centred())
    found = 0.0
    for _ in range(MOST_PASSES):
        image = np.zeros_like(block)
        for own in centred():
            image += own.T @ (own @ block)
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        values, turn = np.linalg.eigh(basis.T @ images)
        values, turn = values[::-1][:width], turn[:, ::-1][:, :width]
        gain, found = values[:count].sum() - found, float(values[:count].sum())
        left = columns - basis.shape[1]
        if left == 0 or gain <= ACCURACY / 4 * (total - found):
            break
        block = _beside(basis, image[:, :left])
        if basis.shape[1] >= most * width:
            basis, images = basis @ turn, images @ turn
    return values[:count], basis @ turn[:, :count]


def _beside(basis: Matrix, block: Matrix) -> Matrix:
    """Return an orthonormal block at right angles to a basis; twice, because of rounding."""
    for _ in range(2):
        block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
    return block
