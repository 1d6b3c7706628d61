"""How good a model is on some data, beside PCA at the same code size.

Every figure is defined in docs/mathematics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import (
    BLOCK_ROWS,
    Workbench,
    check_columns,
    for_each_block,
    into,
    reconstruct,
)
from gpuae.model.model import Model
from gpuae.model.statistics import ColumnStatistics, blocks, column_statistics

ACTIVE = 1e-6
"""A code unit is active in a row where its magnitude is above this."""
EXACT_PCA_SIZE = 4096
"""PCA is exact where the rows or the columns are at most this many, else randomised."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one data set; `mse` and variance in the data's own units."""

    rows: int
    columns: int
    code_size: int
    loss: float
    mse: float
    explained_variance: float
    pca_mse: float
    pca_explained_variance: float
    mean_activation: float
    zero_fraction: float
    dead_units: int
    active_per_row: float


@dataclass(frozen=True)
class _BlockSums:
    """What each block of rows leaves behind, one entry for each block, added up in their order."""

    loss: NDArray[np.float64]
    squares: NDArray[np.float64]
    code: NDArray[np.float64]
    zeros: NDArray[np.float64]
    active: NDArray[np.float64]
    largest: NDArray[np.float64]

    @classmethod
    def allocate(cls, count: int, code_size: int) -> _BlockSums:
        loss, squares, code, zeros, active = (np.zeros(count) for _ in range(5))
        return cls(loss, squares, code, zeros, active, np.zeros((count, code_size)))


def evaluate(
    model: Model, x: NDArray[Any], *, device: str = "auto", threads: int | None = None
) -> Evaluation:
    """Measure a model on the rows of x (n, d), without noise or dropout.

    Raises
    ------
    InputError
        Where x has another width than the model's data.
    """
    check_columns(model, x.shape[1])
    rows, columns = x.shape
    code_size = model.network.code_size
    sums = _BlockSums.allocate(-(-rows // BLOCK_ROWS), code_size)

    def work(bench: Workbench, start: int, stop: int) -> None:
        _measure_block(bench, x, start, stop, sums)

    for_each_block(model, x, work, device, threads)
    statistics = column_statistics(x, np.arange(rows))
    variance = float(statistics.variance.mean())
    mse = float(sums.squares.sum()) / (rows * columns)
    pca = pca_mse(x, statistics, min(code_size, rows, columns))
    return Evaluation(
        rows=rows,
        columns=columns,
        code_size=code_size,
        loss=float(sums.loss.sum()) / rows,
        mse=mse,
        explained_variance=_explained(mse, variance),
        pca_mse=pca,
        pca_explained_variance=_explained(pca, variance),
        mean_activation=float(sums.code.sum()) / (rows * code_size),
        zero_fraction=float(sums.zeros.sum()) / (rows * code_size),
        dead_units=int((sums.largest.max(axis=0) <= ACTIVE).sum()),
        active_per_row=float(sums.active.sum()) / rows,
    )


def explained_variance(
    model: Model, x: NDArray[Any], *, device: str = "auto", threads: int | None = None
) -> float:
    """Return the share of the variance of x (n, d), in its own units, that is reconstructed."""
    rebuilt = np.empty(x.shape)
    reconstruct(model, x, into(rebuilt), device=device, threads=threads)
    variance = column_statistics(x, np.arange(len(x))).variance.mean()
    return _explained(float(((rebuilt - x) ** 2).mean()), float(variance))


def pca_mse(x: NDArray[Any], statistics: ColumnStatistics, components: int) -> float:
    """Return the mean squared error, over rows and columns, of x (n, d) rebuilt from PCA.

    The squared error of a rank-k PCA is the sum of the variances along the remaining axes.
    """
    rows, columns = x.shape
    if min(rows, columns) > EXACT_PCA_SIZE:
        return _randomised_pca_mse(x, statistics, components)
    spectrum = _covariance_spectrum(x, statistics)
    left = np.maximum(spectrum[: len(spectrum) - components], 0.0)
    return float(left.sum() / columns)


def _measure_block(
    bench: Workbench, x: NDArray[Any], start: int, stop: int, sums: _BlockSums
) -> None:
    block, ops = start // BLOCK_ROWS, bench.ops
    tile = bench.encode(start, stop)
    code = ops.to_host(tile.outputs[bench.model.network.code]).astype(np.float64)
    ops.fill(bench.sums.loss, 0.0)
    bench.propagation.decode(tile, None)
    bench.propagation.add_loss(tile, bench.sums)
    sums.loss[block] = ops.to_host(bench.sums.loss)[0]
    error = bench.restore(tile, tile.activations[-1]).astype(np.float64) - x[start:stop]
    sums.squares[block] = np.vdot(error, error)
    size = np.abs(code)
    sums.code[block] = code.sum()
    sums.zeros[block] = (code == 0).sum()
    sums.active[block] = (size > ACTIVE).sum()
    sums.largest[block] = size.max(axis=0)


def _covariance_spectrum(x: NDArray[Any], statistics: ColumnStatistics) -> NDArray[np.float64]:
    """Return the ascending eigenvalues of the covariance, of the smaller of its two forms."""
    from scipy.linalg import eigvalsh

    rows, columns = x.shape
    if rows < columns:
        centred = x.astype(np.float64) - statistics.mean
        matrix = centred @ centred.T
    else:
        parts = (block - statistics.mean for block in blocks(x, np.arange(rows)))
        matrix = np.asarray(sum(part.T @ part for part in parts))
    return np.asarray(eigvalsh(matrix) / rows)


def _randomised_pca_mse(x: NDArray[Any], statistics: ColumnStatistics, components: int) -> float:
    from sklearn.decomposition import PCA

    pca = PCA(components, svd_solver="randomized", random_state=0).fit(x)
    rows = len(x)
    explained = float(pca.explained_variance_.sum()) * (rows - 1) / rows
    return float(max(0.0, float(statistics.variance.sum()) - explained) / x.shape[1])


def _explained(mse: float, variance: float) -> float:
    """Return 1 − mse/variance; for data without variance 1 if rebuilt exactly, else 0."""
    if variance > 0:
        return 1.0 - mse / variance
    return 1.0 if mse == 0 else 0.0
