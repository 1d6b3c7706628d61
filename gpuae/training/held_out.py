"""What a new model makes of the rows that were held out, kept to know later rows by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import Sink, compare, into, row_errors
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.model.statistics import (
    RowWeights,
    column_statistics,
    mean_variance,
    total_weight,
    weighted_sum,
    weighted_variance,
)
from gpuae.model.unlike import (
    BY_CHANCE,
    HELD_OUT_BEYOND,
    HELD_OUT_ERROR,
    HELD_OUT_ROWS,
    Unlike,
)

MEASURED_ROWS = 2000
"""At most so many are measured."""


HELD_OUT_EXPLAINED = "held_out_explained_variance"
HELD_OUT_PCA = "held_out_pca_explained_variance"
"""Attributes of a model: the share of the variance that it and PCA explain, preprocessed."""


@dataclass(frozen=True)
class Unseen:
    """Rows (m, d) that a model was not trained on, and how much each counts."""

    model: Model
    rows: NDArray[Any]
    weights: RowWeights = None


def held_out_facts(trials: Sequence[Unseen], device: str) -> dict[str, int | float]:
    """Return attributes of a model by models of its kind and rows unseen by each."""
    try:
        return _facts(trials, device)
    except InputError:  # rows that a model cannot be applied to say nothing about others
        return {}


def _facts(trials: Sequence[Unseen], device: str) -> dict[str, int | float]:
    errors, beyond = np.empty(0), 0.0
    for trial in trials:
        own, unlike = _errors(trial.model, trial.rows, device)
        errors = np.concatenate([errors, own])
        beyond += unlike.beyond
    if not len(errors) or not np.isfinite(errors).all():
        return {}
    return {
        HELD_OUT_ROWS: len(errors),
        HELD_OUT_ERROR: float(np.quantile(errors, 1 - BY_CHANCE, method="higher")),
        HELD_OUT_BEYOND: beyond / len(errors),
        **_shares(trials, _errors_of_numbers(trials, errors, device)),
    }


def _errors(model: Model, rows: NDArray[Any], device: str) -> tuple[NDArray[np.float64], Unlike]:
    errors, unlike = np.empty(len(rows)), Unlike.of(model, len(rows))

    def take(start: int, block: NDArray[Any], own: NDArray[np.float64]) -> None:
        errors[start : start + len(block)] = own
        unlike.look_at(start, block)

    row_errors(model, rows, take, machine=Machine(device, model.config.threads))
    return errors, unlike


def _errors_of_numbers(
    trials: Sequence[Unseen], errors: NDArray[np.float64], device: str
) -> NDArray[np.float64]:
    """Return the errors of all rows (m,), of the numbers alone where there are categories."""
    if not any(trial.model.categorical for trial in trials):
        return errors
    parts = []
    for trial in trials:
        own, numbers = np.empty(len(trial.rows)), trial.model.numbers
        sink = into(own)

        def take(
            start: int, _: object, clean: Any, rebuilt: Any, sink: Sink = sink, n: int = numbers
        ) -> None:
            squares = (rebuilt[:, :n].astype(np.float64) - clean[:, :n]) ** 2
            sink(start, squares.sum(axis=1) / max(1, n))

        machine = Machine(device, trial.model.config.threads)
        compare(trial.model, trial.rows, take, machine=machine)
        parts.append(own)
    return np.concatenate(parts)


def _shares(trials: Sequence[Unseen], errors: NDArray[np.float64]) -> dict[str, float]:
    """Return which share of the variance is explained, given the errors of all rows (m,)."""
    variance = beside = 0.0
    known = [trial.weights for trial in trials if trial.weights is not None]
    error = float(weighted_sum(errors, np.concatenate(known) if known else None))
    for trial in trials:
        model, weights = trial.model, trial.weights
        own = slice(0, model.numbers)
        if not model.numbers or not mean_variance(
            column_statistics(trial.rows[:, own]), trial.rows.dtype
        ):
            continue
        target = model.preprocess.forward(trial.rows)
        variance += total_weight(len(target), weights) * weighted_variance(target[:, own], weights)
        if model.pca is not None:
            projected = model.pca.project(target)
            beside += float(weighted_sum(((projected - target)[:, own] ** 2).mean(axis=1), weights))
    if not variance:
        return {}
    shares = {HELD_OUT_EXPLAINED: 1 - error / variance}
    if all(trial.model.pca is not None for trial in trials):
        shares[HELD_OUT_PCA] = 1 - beside / variance
    return shares
