"""What a new model makes of the rows that were held out, kept to know later rows by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import row_errors
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.model.statistics import column_statistics, mean_variance
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


def held_out_facts(
    trials: Sequence[tuple[Model, NDArray[Any]]], device: str
) -> dict[str, int | float]:
    """Return attributes of a model by models of its kind and rows (m, d) unseen by each."""
    try:
        return _facts(trials, device)
    except InputError:  # rows that a model cannot be applied to say nothing about others
        return {}


def _facts(trials: Sequence[tuple[Model, NDArray[Any]]], device: str) -> dict[str, int | float]:
    errors, beyond = np.empty(0), 0.0
    for model, rows in trials:
        own, unlike = _errors(model, rows, device)
        errors = np.concatenate([errors, own])
        beyond += unlike.beyond
    if not len(errors) or not np.isfinite(errors).all():
        return {}
    return {
        HELD_OUT_ROWS: len(errors),
        HELD_OUT_ERROR: float(np.quantile(errors, 1 - BY_CHANCE, method="higher")),
        HELD_OUT_BEYOND: beyond / len(errors),
        **_shares(trials, float(errors.sum())),
    }


def _errors(model: Model, rows: NDArray[Any], device: str) -> tuple[NDArray[np.float64], Unlike]:
    errors, unlike = np.empty(len(rows)), Unlike.of(model, len(rows))

    def take(start: int, block: NDArray[Any], own: NDArray[np.float64]) -> None:
        errors[start : start + len(block)] = own
        unlike.look_at(start, block)

    row_errors(model, rows, take, machine=Machine(device, model.config.threads))
    return errors, unlike


def _shares(trials: Sequence[tuple[Model, NDArray[Any]]], error: float) -> dict[str, float]:
    """Return which share of the variance is explained, given the sum of the rows' errors."""
    variance = beside = 0.0
    for model, rows in trials:
        if not mean_variance(column_statistics(rows), rows.dtype):
            continue
        target = model.preprocess.forward(rows)
        variance += len(rows) * float(target.var(axis=0).mean())
        if model.pca is not None:
            projected = model.pca.project(target)
            beside += float(((projected - target) ** 2).mean(axis=1).sum())
    if not variance:
        return {}
    shares = {HELD_OUT_EXPLAINED: 1 - error / variance}
    if all(model.pca is not None for model, _ in trials):
        shares[HELD_OUT_PCA] = 1 - beside / variance
    return shares
