"""How good a model is on some data, beside PCA at the same code size.

Every figure is defined in docs/mathematics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gpuae.category_figures import (
    CategoryFigures,
    CategorySums,
    category_figures,
    entropy_of,
    right_cells,
)
from gpuae.encoding import BLOCK_ROWS, InferenceBuffers, check_columns, for_each_block
from gpuae.functions.losses import LOSSES
from gpuae.machine import ANY, Machine
from gpuae.model.missing import filled
from gpuae.model.model import Model
from gpuae.model.pca import PrincipalAxes, principal_axes
from gpuae.model.statistics import (
    RowWeights,
    column_statistics,
    mean_variance,
    total_weight,
    weighted_blocks,
    weighted_sum,
)
from gpuae.model.targets import unfit_targets
from gpuae.model.unlike import Unlike
from gpuae.storage.rows.categorical import places
from gpuae.storage.rows.lazy_rows import AnyRows

ACTIVE = 1e-6
"""A code unit is active in a row where its magnitude is above this."""
SMALL_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one data set.

    Errors and variances are in the data's own units, and those that begin with `preprocessed` in
    the units that the network sees. They are of the numbers alone where there are categories.
    """

    rows: int
    columns: int
    code_size: int
    loss: float
    explained_loss: float | None
    """What is gained on the mean of these rows; None of losses without a share to tell."""
    mse: float
    variance: float
    explained_variance: float
    pca_mse: float
    pca_explained_variance: float
    preprocessed_mse: float
    preprocessed_variance: float
    preprocessed_explained_variance: float
    preprocessed_pca_mse: float
    preprocessed_pca_explained_variance: float
    pca_components: int
    pca_from: Literal["training rows", "these rows"] | None
    """Which rows PCA was learnt from; None where it was not, and its figures are NaN."""
    mean_activation: float
    zero_fraction: float
    dead_units: int
    active_per_row: float
    weight: float | None = None
    """Sum of the rows' weights; None where all count the same."""
    categories: CategoryFigures | None = None
    """None where there are no columns of categories."""

    @property
    def size(self) -> float:
        """How many rows of weight 1 the rows stand for."""
        return self.rows if self.weight is None else self.weight


@dataclass(frozen=True)
class _BlockSums:
    """What each block of rows leaves behind, one entry for each block, added up in their order."""

    loss: NDArray[np.float64]
    squares: NDArray[np.float64]
    preprocessed_squares: NDArray[np.float64]
    code: NDArray[np.float64]
    zeros: NDArray[np.float64]
    active: NDArray[np.float64]
    seen: NDArray[np.bool_]
    categories: CategorySums

    @classmethod
    def allocate(cls, count: int, code_size: int) -> _BlockSums:
        loss, squares, preprocessed, code, zeros, active = (np.zeros(count) for _ in range(6))
        seen = np.zeros((count, code_size), np.bool_)
        own = CategorySums.allocate(count)
        return cls(loss, squares, preprocessed, code, zeros, active, seen, own)


@dataclass(frozen=True)
class _Spread:
    """Over rows and columns, in the data's own units and in preprocessed ones."""

    variance: float
    preprocessed_variance: float
    pca_mse: float
    preprocessed_pca_mse: float
    mean_loss: float | None
    """Loss of the mean row in place of every row; None of losses without a share to tell."""
    members: NDArray[np.float64]
    """How many rows have each member of the categories, (members,)."""
    pca_right: float | None
    """How many categories PCA names right; None where it is not known."""


def evaluate(
    model: Model,
    x: AnyRows,
    *,
    machine: Machine = ANY,
    note: Callable[[str], None] | None = None,
    learn_pca: bool = True,
    weights: RowWeights = None,
) -> Evaluation:
    """Measure a model on the rows of x (n, d), without noise or dropout.

    Parameters
    ----------
    note
        Is told, in a sentence, where the rows are unlike those that the model was trained on, or no
        targets of its loss.
    learn_pca
        Whether to learn PCA from these rows where the model has none of its training rows.
    weights
        How much each row counts, (n,); one of weight 0 is left out.

    Raises
    ------
    InputError
        Where x has another width than the model's data.
    """
    check_columns(model, x.shape[1])
    x = filled(x, model.preprocess.fill)
    rows, code_size = len(x), model.network.code_size
    sums = _BlockSums.allocate(-(-rows // BLOCK_ROWS), code_size)
    unlike = Unlike.of(model, rows)

    def work(buffers: InferenceBuffers, start: int, own: NDArray[Any]) -> None:
        unlike.look_at(start, own)
        of_rows = None if weights is None else weights[start : start + len(own)]
        unlike.hear_errors(_measure_block(buffers, own, start // BLOCK_ROWS, sums, of_rows))

    for_each_block(model, x, work, machine)
    unlike.tell(note)
    wrong = unfit_targets(x, model.config)
    if wrong is not None and note is not None:
        note(f"the figures of the loss mean nothing: {wrong}")
    pca = model.pca
    if pca is None and learn_pca:
        pca = principal_axes(x, None, model.preprocess, code_size, weights)
    spread = _measure_spread(x, model, pca, weights)
    return _evaluation(model, sums, spread, pca, x.shape, weights)


def _evaluation(
    model: Model,
    sums: _BlockSums,
    spread: _Spread,
    pca: PrincipalAxes | None,
    shape: tuple[int, ...],
    weights: RowWeights,
) -> Evaluation:
    """Put the figures together from sums over rows."""
    (count, columns), code_size = shape, model.network.code_size
    rows = total_weight(count, weights)
    values = rows * max(1, model.numbers)
    if weights is not None:
        count = int(np.count_nonzero(weights))
    loss, mean_loss = float(sums.loss.sum()) / rows, spread.mean_loss
    mse = float(sums.squares.sum()) / values
    preprocessed_mse = float(sums.preprocessed_squares.sum()) / values
    return Evaluation(
        rows=count,
        columns=columns,
        code_size=code_size,
        loss=loss,
        explained_loss=None if mean_loss is None else explained(loss, mean_loss),
        mse=mse,
        variance=spread.variance,
        explained_variance=explained(mse, spread.variance),
        pca_mse=spread.pca_mse,
        pca_explained_variance=explained(spread.pca_mse, spread.variance),
        preprocessed_mse=preprocessed_mse,
        preprocessed_variance=spread.preprocessed_variance,
        preprocessed_explained_variance=explained(
            preprocessed_mse if spread.variance else mse, spread.preprocessed_variance
        ),
        preprocessed_pca_mse=spread.preprocessed_pca_mse,
        preprocessed_pca_explained_variance=explained(
            spread.preprocessed_pca_mse if spread.variance else spread.pca_mse,
            spread.preprocessed_variance,
        ),
        pca_components=pca.axes.shape[1] if pca else 0,
        pca_from="training rows" if model.pca else "these rows" if pca else None,
        mean_activation=float(sums.code.sum()) / (rows * code_size),
        zero_fraction=float(sums.zeros.sum()) / (rows * code_size),
        dead_units=int((~sums.seen.any(axis=0)).sum()),
        active_per_row=float(sums.active.sum()) / rows,
        weight=None if weights is None else rows,
        categories=category_figures(model, sums.categories, spread.members, spread.pca_right),
    )


def explained(mse: float, variance: float) -> float:
    """Return 1 − mse/variance; for data without variance 1 if rebuilt exactly, else 0.

    Or of losses: that of the model and that of the mean.
    """
    if variance > 0:
        return 1.0 - mse / variance
    return 1.0 if mse == 0 else 0.0


def _measure_block(
    buffers: InferenceBuffers,
    rows: NDArray[Any],
    block: int,
    sums: _BlockSums,
    weights: RowWeights,
) -> NDArray[np.float64]:
    """Add a block's sums, and return the errors of its rows (m,) in preprocessed units."""
    ops = buffers.ops
    tile = buffers.encode(rows)
    if weights is not None:
        column = weights.astype(buffers.model.config.dtype)[:, None]
        tile = replace(tile, row_weights=ops.asarray(column))
    code = ops.to_host(tile.outputs[buffers.model.network.code]).astype(np.float64)
    ops.fill(buffers.sums.loss, 0.0)
    buffers.propagation.decode(tile, None)
    buffers.propagation.add_loss(tile, buffers.sums)
    sums.loss[block] = ops.to_host(buffers.sums.loss)[0]
    numbers = buffers.model.numbers
    made = buffers.preprocessed(tile)
    error = buffers.restore(tile, made, rows).astype(np.float64) - rows
    sums.squares[block] = _squared_norm(error[:, :numbers], weights)
    ops.row_errors(made, tile.clean, buffers.errors[: len(rows)])
    errors = np.array(ops.to_host(buffers.errors[: len(rows)]))
    sums.preprocessed_squares[block] = weighted_sum(errors, weights) * rows.shape[1]
    if buffers.model.categorical:
        output, target = ops.to_host(tile.activations[-1]), ops.to_host(tile.clean)
        own = output[:, :numbers].astype(np.float64) - target[:, :numbers]
        sums.preprocessed_squares[block] = _squared_norm(own, weights)
        sums.categories.measure(block, buffers.model, output, target, weights)
    size = np.abs(code)
    sums.code[block] = _sum(code, weights)
    # where a sigmoid is saturated backends differ between 0 and what is below normal numbers
    sums.zeros[block] = _sum(size < np.finfo(buffers.model.config.dtype).tiny, weights)
    sums.active[block] = _sum(size > ACTIVE, weights)
    active = size > ACTIVE if weights is None else (size > ACTIVE)[weights > 0]
    sums.seen[block] = active.any(axis=0)
    return errors


def _measure_spread(
    x: AnyRows, model: Model, pca: PrincipalAxes | None, weights: RowWeights
) -> _Spread:
    """Measure the variance of the rows of x (n, d) about their own mean, and the error of PCA."""
    preprocess, numbers = model.preprocess, model.numbers
    statistics = column_statistics(x, None, weights)
    about = preprocess.forward(statistics.mean[None])
    moved, squares = np.zeros(numbers), 0.0
    own_error = preprocessed_error = 0.0 if pca else math.nan
    members, pca_right = np.zeros(x.shape[1] - numbers), 0.0
    for block, own in _small_blocks(x, weights):
        prepared = preprocess.forward(block)
        if pca is not None:
            rebuilt = pca.project(prepared)
            own_error += _squared_norm(
                (preprocess.backward(rebuilt, block) - block)[:, :numbers], own
            )
            preprocessed_error += _squared_norm((rebuilt - prepared)[:, :numbers], own)
            for place in places(x.shape[1], model.network.categories):
                pca_right += right_cells(rebuilt[:, place], prepared[:, place], own)
        difference = (prepared - about)[:, :numbers]
        moved += weighted_sum(difference, own)
        squares += _squared_norm(difference, own)
        members += weighted_sum(prepared[:, numbers:], own)
    whole = total_weight(len(x), weights)
    values = whole * max(1, numbers)
    variance = mean_variance(statistics.first(numbers), x.dtype) if numbers else 0.0
    # clipping moves the mean
    preprocessed = squares / values - float((moved**2).sum()) / (values * whole)
    return _Spread(
        variance=variance,
        preprocessed_variance=max(0.0, preprocessed) if variance else 0.0,
        pca_mse=own_error / values,
        preprocessed_pca_mse=preprocessed_error / values,
        mean_loss=_mean_loss(x, model, about, members, weights),
        members=members,
        pca_right=pca_right if pca else None,
    )


def _small_blocks(x: AnyRows, weights: RowWeights) -> Iterator[tuple[NDArray[Any], RowWeights]]:
    """Yield the rows of x (n, d) in blocks small enough for half a dozen float64 copies.

    With the weights of each row.
    """
    step = max(1, SMALL_BLOCK_BYTES // (8 * x.shape[1]))
    for block, own in weighted_blocks(x, None, weights):
        for start in range(0, len(block), step):
            part = slice(start, start + step)
            yield block[part], None if own is None else own[part]


def _squared_norm(matrix: NDArray[Any], weights: RowWeights) -> float:
    """Return the sum of squares of rows (m, n), each row by its weight."""
    return float(np.vdot(matrix, matrix)) if weights is None else _sum(matrix**2, weights)


def _sum(matrix: NDArray[Any], weights: RowWeights) -> float:
    """Return the sum of rows (m, n), each row by its weight."""
    return float(matrix.sum() if weights is None else weighted_sum(matrix, weights).sum())


def _mean_loss(
    x: AnyRows,
    model: Model,
    mean: NDArray[Any],
    members: NDArray[np.float64],
    weights: RowWeights,
) -> float | None:
    """Return the loss of a preprocessed mean (1, d) in place of each row of x (n, d).

    `members` is how many rows have each member of the categories, by their weights.
    """
    loss = LOSSES[model.config.loss]
    if not loss.share_of:
        return None
    parameter, numbers, total = loss.parameter_of(model.config), slice(0, model.numbers), 0.0
    if model.preprocess.total is not None:
        mean = _mean_target(x, model, weights)
    sizes = model.network.categories
    for block, own in _small_blocks(x, weights):
        prepared = _targets(model, block)[:, numbers]
        of_rows = None if own is None else own[:, None]
        total += loss.between(mean[:, numbers], prepared, parameter, of_rows)
    total += sum(entropy_of(members[place]) for place in places(len(members), sizes))
    return total / total_weight(len(x), weights)


def _targets(model: Model, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return what the network is to make of rows (m, d): preprocessed rows, or counts."""
    own = model.preprocess
    return own.restored(own.measured(rows)) if model.config.rebuilds_counts else own.forward(rows)


def _mean_target(x: AnyRows, model: Model, weights: RowWeights) -> NDArray[np.float64]:
    """Return the mean (1, d) of what the network is to make of the rows of x (n, d)."""
    parts = (weighted_sum(_targets(model, block), own) for block, own in _small_blocks(x, weights))
    return np.asarray(sum(parts))[None] / total_weight(len(x), weights)
