"""Training for those who will judge rows: what is usual is measured, and outliers are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.backends.philox import Purpose
from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.machine import Machine
from gpuae.model.calibration import (
    MOST_CELLS,
    MOST_SCORES,
    Calibration,
    Neighbours,
    as_often_as_they_count,
    rows_kept,
    units,
)
from gpuae.model.model import Model
from gpuae.model.preprocess import Preprocess
from gpuae.model.row_weights import chosen, that_count
from gpuae.model.statistics import RowWeights
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.mapped_copy import mapped_copy
from gpuae.storage.rows.pages import gathered
from gpuae.training import fitting
from gpuae.training.batches import Order, permutation
from gpuae.training.deadline import Deadline
from gpuae.training.fitting import Fit, Trial
from gpuae.training.history import Observer, Silence
from gpuae.training.trainer import Ending

FEWEST_ROWS = 2
"""To train on and hold out."""
SHORTEST = 0.001
"""Seconds: a training without time keeps what it starts with."""
ENDED = (Ending.FINISHED, Ending.EARLY, Ending.OUT_OF_TIME)


def fit_calibrated(
    x: NDArray[Any],
    config: Config,
    *,
    observer: Observer | None = None,
    validation: AnyRows | None = None,
    weights: RowWeights = None,
    validation_weights: RowWeights = None,
    **options: Any,
) -> Fit:
    """Train as `fit` does and measure how rows score; with `trim` train again without outliers.

    Takes and raises what `fit` does.

    Parameters
    ----------
    weights, validation_weights
        How much each row of x and of `validation` counts; rows of weight 0 are left out.

    Raises
    ------
    ConfigError
        Also for checkpoints with `trim`, which trains twice.
    """
    if config.trim and options.get("checkpoints") is not None:
        raise ConfigError("trim: trains twice, which checkpoints cannot go on from; leave one out")
    x, validation, options["weights"] = _that_count(x, weights, validation, validation_weights)
    options["validation"] = validation
    if not config.trim:
        return calibrated(fitting.fit(x, config, observer=observer, **options))
    deadline = Deadline.of(config)
    once = _within(config, deadline.left / 2)
    once = once.model_copy(update={"folds": 1})  # to find the outliers is worth one training
    first = calibrated(fitting.fit(x, once, observer=observer, **options))
    if first.result.ending not in ENDED or first.model.calibration is None:
        untrimmed = first.model.config.model_copy(update={"trim": 0.0})
        return replace(first, model=replace(first.model, config=untrimmed))
    usual = _usual_rows(first, config.trim)
    left_out = np.setdiff1d(np.concatenate([first.rows, *(t.rows for t in first.trials)]), usual)
    (observer or Silence()).note(
        f"training again without the {len(left_out)} rows that are most unlike the others "
        f"(trim={config.trim:g})"
    )
    config = _within(config, deadline.left)
    second = fitting.fit(x, config, observer=observer, **(options | {"ready": None}), kept=usual)
    held_out = left_out
    if first.trials and second.model.config.folds == 1:
        held_out = np.intersect1d(left_out, first.trials[0].rows)
    return calibrated(second, held_out)


def _that_count(
    x: NDArray[Any], weights: RowWeights, validation: AnyRows | None, its_weights: RowWeights
) -> tuple[NDArray[Any], AnyRows | None, RowWeights]:
    """Return the rows of both whose weight is not 0, and the weights of all of these."""
    if weights is None and its_weights is None:
        return x, validation, None
    x, own = that_count(x, np.ones(len(x)) if weights is None else weights)
    if validation is None:
        return x, None, own
    others = np.ones(len(validation))
    if its_weights is not None:
        with mapped_copy(validation) as rows:
            validation, others = that_count(rows, its_weights)
    return x, validation, np.concatenate([own, others])


def _within(config: Config, seconds: float) -> Config:
    """Return settings of a training that may take so long, if its time is limited."""
    if config.max_time is None:
        return config
    return config.model_copy(update={"max_time": f"{max(seconds, SHORTEST):.3f}s"})


def calibrated(fitted: Fit, left_out: Order | None = None) -> Fit:
    """Return a fit whose model knows how rows score that it was not trained on.

    Parameters
    ----------
    left_out
        Those of the rows left out as outliers that would have been held out: a sample of all rows
        has them too.
    """
    if fitted.result.ending is Ending.DIVERGED:
        return fitted
    extra = np.zeros(0, np.int64) if left_out is None else left_out
    try:
        calibration = _calibration(fitted, extra)
    except InputError:  # errors that are not finite: nothing to measure by
        return fitted
    model = replace(fitted.model, calibration=calibration)
    trials = tuple(
        Trial(model, trial.rows) if trial.model is fitted.model else trial
        for trial in fitted.trials
    )
    return replace(fitted, model=model, trials=trials)


def _usual_rows(fitted: Fit, trim: float) -> Order:
    """Return the numbers of all rows but a share of `trim`, those of the highest scores."""
    numbers = np.unique(np.concatenate([fitted.rows, *(t.rows for t in fitted.trials)]))
    scores = np.empty(len(fitted.x))
    machine = Machine.of(fitted.model.config)
    encoding.score(fitted.model, fitted.x, encoding.into(scores), machine=machine)
    order = np.argsort(scores[numbers], kind="stable")
    count = max(1, _count_up_to(1.0 - trim, chosen(fitted.weights, numbers[order]), len(numbers)))
    if count < FEWEST_ROWS <= len(numbers):
        raise InputError(
            f"trim={trim:g} leaves {count} of {len(numbers)} rows to train on; lower trim or give "
            "more rows"
        )
    return np.sort(numbers[order[:count]])


def _count_up_to(share: float, weights: RowWeights, rows: int) -> int:
    """Return how many of the first of so many rows make up a share of their weight, about."""
    if weights is None:
        return round(rows * share)
    middles = weights.cumsum() - weights / 2
    return int(np.searchsorted(middles, share * weights.sum(), side="right"))


def _calibration(fitted: Fit, left_out: Order) -> Calibration:
    model, config = fitted.model, fitted.model.config
    held = _rebuilt(fitted, left_out)
    neighbours = None
    scores = held.squares.mean(axis=1)
    if config.outlier_score == "knn":
        known = _sample(fitted.rows, rows_kept(fitted.x.shape[1]), config.seed)
        neighbours = _neighbours(model, fitted.x, known, held)
        among = np.isin(held.numbers, known)
        for own in (True, False):
            rows, rebuilt = held.rows[among == own], held.rebuilt[among == own]
            scores[among == own] = neighbours.judge(rows, rebuilt, among=own).scores
    ordered = as_often_as_they_count(scores, chosen(fitted.weights, held.numbers))
    calibration = Calibration(ordered, bool(fitted.trials), neighbours=neighbours)
    if config.contamination is None:
        return calibration
    return replace(calibration, threshold=calibration.quantile(config.contamination))


@dataclass(frozen=True)
class _Rebuilt:
    """Rows, preprocessed, and what a model that was not trained on them makes of them, (m, d)."""

    numbers: Order
    rows: NDArray[np.float64]
    rebuilt: NDArray[np.float64]

    @property
    def squares(self) -> NDArray[np.float64]:
        """(x̂ − x)², (m, d)."""
        return (self.rebuilt - self.rows) ** 2


def _rebuilt(fitted: Fit, left_out: Order) -> _Rebuilt:
    """Return a sample of the rows that were held out, or else of the training rows.

    Those of a fold are rebuilt by the model that was not trained on them; all are then in the units
    of the final model.
    """
    model, x = fitted.model, fitted.x
    trials = [*(fitted.trials or (Trial(model, fitted.rows),)), Trial(model, left_out)]
    sizes = [len(trial.rows) for trial in trials]
    most = max(1, min(MOST_SCORES, MOST_CELLS // x.shape[1]))
    share = min(1.0, most / sum(sizes))
    parts = []
    for trial in trials:
        count = round(share * len(trial.rows))
        numbers = _sample(trial.rows, count, model.config.seed)
        own = np.empty((len(numbers), x.shape[1]))
        if len(numbers):
            _rebuild(trial.model, gathered(x, numbers), model.preprocess, own)
        parts.append((numbers, own))
    numbers = np.concatenate([numbers for numbers, _ in parts])
    rebuilt = np.concatenate([own for _, own in parts])
    return _Rebuilt(numbers, model.preprocess.forward(gathered(x, numbers)), rebuilt)


def _rebuild(model: Model, x: NDArray[Any], units: Preprocess, out: NDArray[np.float64]) -> None:
    """Write what a model makes of rows (m, d), preprocessed as `units` says, into out (m, d)."""
    machine, sink = Machine.of(model.config), encoding.into(out)
    if units.total is None:
        encoding.reconstruct(model, x, sink, machine=machine)
        out[...] = units.forward(out)
        return

    def take(start: int, _: object, __: object, rebuilt: NDArray[Any]) -> None:
        sink(start, units.logs_from(model.preprocess, rebuilt.astype(np.float64)))

    encoding.compare(model, x, take, machine=machine)


def _neighbours(model: Model, x: NDArray[Any], known: Order, held: _Rebuilt) -> Neighbours:
    rows = np.empty((len(known), x.shape[1]), np.float32)
    rebuilt = np.empty_like(rows)

    def take(start: int, _: NDArray[Any], own: NDArray[Any], made: NDArray[Any]) -> None:
        rows[start : start + len(own)] = own
        rebuilt[start : start + len(own)] = made

    encoding.compare(model, gathered(x, known), take, machine=Machine.of(model.config))
    variance = rows.var(axis=0, dtype=np.float64)
    return Neighbours(rows, rebuilt, *units(variance, held.squares.mean(axis=0)))


def _sample(rows: Order, count: int, seed: int) -> Order:
    """Return so many of the rows at most, drawn at random, in ascending order."""
    if len(rows) <= count:
        return rows
    return np.sort(rows[permutation(len(rows), seed, Purpose.SAMPLE)[:count]])
