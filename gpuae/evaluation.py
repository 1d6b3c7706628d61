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
from gpuae.model.missing import filled, filled_once
from gpuae.model.model import Model
from gpuae.model.statistics import ColumnStatistics, blocks, column_statistics
from gpuae.storage.matrix import Source

ACTIVE = 1e-6
"""A code unit is active in a row where its magnitude is above this."""
EXACT_PCA_SIZE = 4096
"""PCA is exact where the rows or the columns are at most this many, else by subspace iteration."""
EXACT_PCA_BYTES = 1 << 30
"""More rows of many columns, in float64, are not brought into memory at once."""
PCA_EXTRA_AXES, PCA_PASSES = 10, 4


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
    seen: NDArray[np.bool_]

    @classmethod
    def allocate(cls, count: int, code_size: int) -> _BlockSums:
        loss, squares, code, zeros, active = (np.zeros(count) for _ in range(5))
        return cls(loss, squares, code, zeros, active, np.zeros((count, code_size), np.bool_))


def evaluate(
    model: Model,
    x: Source,
    *,
    device: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
) -> Evaluation:
    """Measure a model on the rows of x (n, d), without noise or dropout.

    Raises
    ------
    InputError
        Where x has another width than the model's data.
    """
    check_columns(model, x.shape[1])
    x = filled(x, model.preprocess.fill)
    rows, columns = x.shape
    code_size = model.network.code_size
    sums = _BlockSums.allocate(-(-rows // BLOCK_ROWS), code_size)

    def work(bench: Workbench, start: int, own: NDArray[Any]) -> None:
        _measure_block(bench, own, start // BLOCK_ROWS, sums)

    for_each_block(model, x, work, device, threads, memory=memory)
    statistics = column_statistics(x)
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
        dead_units=int((~sums.seen.any(axis=0)).sum()),
        active_per_row=float(sums.active.sum()) / rows,
    )


def explained_variance(
    model: Model, x: NDArray[Any], *, device: str = "auto", threads: int | None = None
) -> float:
    """Return the share of the variance of x (n, d), in its own units, that is reconstructed."""
    x = filled_once(x, model.preprocess.fill)
    rebuilt = np.empty(x.shape)
    reconstruct(model, x, into(rebuilt), device=device, threads=threads)
    variance = column_statistics(x).variance.mean()
    return _explained(float(((rebuilt - x) ** 2).mean()), float(variance))


def pca_mse(x: Source, statistics: ColumnStatistics, components: int) -> float:
    """Return the mean squared error, over rows and columns, of x (n, d) rebuilt from PCA.

    The squared error of a rank-k PCA is the sum of the variances along the remaining axes.
    """
    rows, columns = x.shape
    too_wide = rows < columns and 8 * rows * columns > EXACT_PCA_BYTES
    if min(rows, columns) > EXACT_PCA_SIZE or too_wide:
        explained = _leading_variance(x, statistics, components)
        total = float(statistics.variance.sum())
        return float(max(0.0, total - explained) / columns)
    spectrum = _covariance_spectrum(x, statistics)
    left = np.maximum(spectrum[: len(spectrum) - components], 0.0)
    return float(left.sum() / columns)


def _measure_block(bench: Workbench, rows: NDArray[Any], block: int, sums: _BlockSums) -> None:
    ops = bench.ops
    tile = bench.encode(rows)
    code = ops.to_host(tile.outputs[bench.model.network.code]).astype(np.float64)
    ops.fill(bench.sums.loss, 0.0)
    bench.propagation.decode(tile, None)
    bench.propagation.add_loss(tile, bench.sums)
    sums.loss[block] = ops.to_host(bench.sums.loss)[0]
    error = bench.restore(tile, tile.activations[-1]).astype(np.float64) - rows
    sums.squares[block] = np.vdot(error, error)
    size = np.abs(code)
    sums.code[block] = code.sum()
    # where a sigmoid is saturated backends differ between 0 and what is below normal numbers
    sums.zeros[block] = (size < np.finfo(bench.model.config.dtype).tiny).sum()
    sums.active[block] = (size > ACTIVE).sum()
    sums.seen[block] = (size > ACTIVE).any(axis=0)


def _covariance_spectrum(x: Source, statistics: ColumnStatistics) -> NDArray[np.float64]:
    """Return the ascending eigenvalues of the covariance, of the smaller of its two forms."""
    from scipy.linalg import eigvalsh

    rows, columns = x.shape
    if rows < columns:
        centred = x[:].astype(np.float64) - statistics.mean
        matrix = centred @ centred.T
    else:
        parts = (block - statistics.mean for block in blocks(x))
        matrix = np.asarray(sum(part.T @ part for part in parts))
    return np.asarray(eigvalsh(matrix) / rows)


def _leading_variance(x: Source, statistics: ColumnStatistics, components: int) -> float:
    """Return the variance along the first principal axes, by subspace iteration over x.

    A few axes more than asked for make a few passes enough: N. Halko, P. Martinsson, J. Tropp,
    "Finding structure with randomness", 2011, algorithm 4.4, on the covariance.
    """
    rows, columns = x.shape
    width = min(components + PCA_EXTRA_AXES, rows, columns)
    axes = np.random.default_rng(0).standard_normal((columns, width))
    for _ in range(PCA_PASSES):
        axes = np.linalg.qr(_times_covariance(x, statistics, axes))[0]
    values = np.linalg.eigvalsh(axes.T @ _times_covariance(x, statistics, axes))
    return float(values[-components:].sum())


def _times_covariance(
    x: Source, statistics: ColumnStatistics, axes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance (d, d) times `axes` (d, k), without ever making it."""
    parts = (block - statistics.mean for block in blocks(x))
    return np.asarray(sum(part.T @ (part @ axes) for part in parts)) / len(x)


def _explained(mse: float, variance: float) -> float:
    """Return 1 − mse/variance; for data without variance 1 if rebuilt exactly, else 0."""
    if variance > 0:
        return 1.0 - mse / variance
    return 1.0 if mse == 0 else 0.0
