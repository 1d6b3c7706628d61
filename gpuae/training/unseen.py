"""The rows that no training sees, which are the same whatever the size of the code.

What a fit makes of them, row by row, and what PCA does with 0, 1, 2, … components learnt from the
same training rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import row_errors
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.model.pca import principal_axes
from gpuae.model.statistics import column_statistics
from gpuae.storage.rows.pages import gathered
from gpuae.training.batches import Order
from gpuae.training.fitting import Fit, Trial
from gpuae.training.held_out import MEASURED_ROWS

FEWEST_ROWS = 2
"""A single row has no variance."""


@dataclass(frozen=True)
class Unseen:
    """Unseen rows of a fit, of which at most MEASURED_ROWS are taken for each of its trials."""

    variance: float
    """Mean over columns, preprocessed."""
    columns: int
    """Those that vary."""
    pca_errors: dict[int, NDArray[np.float64]]
    """Of each row, (n,), by number of components from 0 on."""

    @classmethod
    def of(cls, fitted: Fit, most: int) -> Unseen:
        """Measure them, and PCA with up to `most` components.

        Raises
        ------
        InputError
            Where they are too few, or all the same.
        """
        trials = list(_measured(fitted))
        raw = gathered(fitted.x, np.concatenate([rows for _, rows in trials]))
        parts = [_pca_errors(fitted, trial, rows, most) for trial, rows in trials]
        errors = np.concatenate([part for part, _ in parts])
        variance = sum(len(part) * own for part, own in parts) / len(errors)
        varying = ~column_statistics(raw).constant(raw.dtype)
        if not varying.any() or not variance:
            raise InputError(
                f"the {len(raw)} unseen rows are all but the same: there is nothing to explain; "
                "give rows that differ"
            )
        by_components = {count: errors[:, count] for count in range(most + 1)}
        return cls(variance, int(varying.sum()), by_components)

    def explained(self, errors: NDArray[np.float64]) -> float:
        """Return the share of the variance that these errors (n,) leave explained."""
        return 1.0 - float(errors.mean()) / self.variance


def unseen_errors(fitted: Fit) -> NDArray[np.float64]:
    """Return the errors (n,) of the unseen rows, in the order that `Unseen` has them.

    The error is the mean over columns of (x̂ − x)² in preprocessed units.
    """
    return np.concatenate([_errors(fitted, trial, rows) for trial, rows in _measured(fitted)])


def _measured(fitted: Fit) -> Iterator[tuple[Trial, Order]]:
    """Yield models and rows that they have not seen, as the verdict on a fit takes them."""
    trials = [trial for trial in fitted.trials if len(trial.rows) >= FEWEST_ROWS]
    if not trials:
        raise InputError(
            f"fewer than {FEWEST_ROWS} rows are held out at a time; give more rows, or a higher "
            "validation"
        )
    for trial in trials:
        yield trial, trial.rows[:MEASURED_ROWS]


def _errors(fitted: Fit, trial: Trial, rows: Order) -> NDArray[np.float64]:
    errors = np.empty(len(rows))

    def take(start: int, block: NDArray[Any], own: NDArray[np.float64]) -> None:
        errors[start : start + len(block)] = own

    machine = Machine(fitted.device.name, fitted.model.config.threads)
    row_errors(trial.model, gathered(fitted.x, rows), take, machine=machine)
    return errors


def _pca_errors(
    fitted: Fit, trial: Trial, rows: Order, most: int
) -> tuple[NDArray[np.float64], float]:
    """Return errors (n, most + 1) of unseen rows by number of components, and their variance."""
    preprocess = trial.model.preprocess
    axes = principal_axes(fitted.x, np.setdiff1d(fitted.rows, trial.rows), preprocess, most)
    prepared = preprocess.forward(gathered(fitted.x, rows))
    centred = prepared - axes.mean
    explained = np.zeros((len(rows), most + 1))
    explained[:, 1 : axes.axes.shape[1] + 1] = (centred @ axes.axes) ** 2
    left = (centred**2).sum(axis=1, keepdims=True) - explained.cumsum(axis=1)
    return np.maximum(left, 0.0) / prepared.shape[1], float(prepared.var(axis=0).mean())
