"""Whether what was written gives what gpuae gives, found out on rows that are made up for it.

Differences are measured beside what they are part of: of a code, by the largest unit of its row;
of a reconstruction, in units of the columns' scaling; of a score, by its root, which is as far off
as the reconstruction is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.errors import OutputError
from gpuae.exchange.computation import (
    CODE,
    OUTLIER,
    PROBABILITIES,
    RECONSTRUCTION,
    SCORE,
    Computation,
    Matrix,
    Results,
)
from gpuae.machine import Machine
from gpuae.model.model import Model

SMALLEST = 1e-30
"""What outputs are compared with where all of them are 0."""
LIMIT = 1e-5
"""Outputs differ by at most this much, or by twice what rounding makes gpuae's own differ."""
ORDINARY, FAR = 48, 16
"""Rows within the range of training, and rows ten to a thousand times as far away as it is wide."""
FARTHEST = 1e3
WIDEST_RANGE = 1e6
"""Of a column, in preprocessed units; where it is wider, or not known, rows are taken near 0."""
CLEAR = 1e-5
"""A row's selection of units is clear where the last that stays is so much above the next."""
NEAR = 1e-3
"""A score is as good as the threshold that differs from it by so small a share."""
LARGEST = 1e6
"""Outputs so many times as large as ordinary ones are left out: powers blow rounding up."""

Run: TypeAlias = Callable[[Matrix], Results]
"""Gives what a written file computes for raw rows (m, d)."""


@dataclass(frozen=True)
class Trial:
    """Rows (m, d) that outputs are compared for, and gpuae's own outputs of them.

    Attributes
    ----------
    exact
        The same as gpuae computes it in float64.
    threshold
        The model's; None: it has none.
    """

    computation: Computation
    rows: Matrix
    own: Results
    exact: Results
    threshold: float | None

    @classmethod
    def of(cls, model: Model, computation: Computation, dtype: np.dtype[Any]) -> Trial:
        """Make rows of a type up, and let gpuae compute their outputs."""
        rows = made_up_rows(computation, dtype)
        rows = rows[_is_clear(computation, rows) & _is_moderate(computation, rows)]
        own, exact = (_own(one, computation, rows) for one in (model, _wide(model)))
        threshold = model.calibration.threshold if model.calibration else None
        return cls(computation, rows, own, exact, threshold)

    def largest_difference(self, found: Results) -> float:
        """Return by how much outputs differ from gpuae's at most; NaN differs infinitely."""
        measured = (self._difference(name, found[name]) for name in found if name != OUTLIER)
        return max(measured, default=0.0)

    def allowed(self, names: tuple[str, ...]) -> float:
        """Return by how much these outputs may differ."""
        exact = (self._difference(name, self.exact[name]) for name in names if name != OUTLIER)
        return max(LIMIT, 2 * max(exact, default=0.0))

    def _difference(self, name: str, found: Matrix) -> float:
        if found.shape != self.own[name].shape:
            return np.inf
        if not len(found):
            return 0.0
        ours, theirs = (self._in_units(name, own) for own in (self.own[name], found))
        sizes = np.asarray(np.abs(ours).max(axis=1), np.float64)
        usual = max(float(np.median(sizes)), SMALLEST)
        if name == SCORE:
            rows = np.abs(self._in_units(RECONSTRUCTION, self.own[RECONSTRUCTION])).max(axis=1)
            sizes = np.maximum(sizes, rows)
        off = np.abs(theirs - ours).max(axis=1) / np.maximum(sizes, usual)
        return float(np.where(np.isnan(off), np.inf, off).max())

    def _in_units(self, name: str, values: Matrix) -> NDArray[np.float64]:
        """Return outputs as they are compared, (m, n)."""
        wide = values.astype(np.float64)
        if name == RECONSTRUCTION:
            own = self.computation.preprocess
            return np.asarray((wide - own.center) * own.factor)
        return np.sqrt(wide).reshape(-1, 1) if name == SCORE else wide


def check(path: Path, trial: Trial, run: Run) -> tuple[float, tuple[str, ...]]:
    """Return by how much the outputs of what is to be written differ from gpuae's, and their names.

    Raises
    ------
    OutputError
        When that is more than rounding explains.
    """
    if not len(trial.rows):
        raise OutputError(
            f"{path}: is not written, for there is no row whose output it could be compared for: "
            "all are too large; train the model on data of another scale"
        )
    found = run(trial.rows)
    difference = trial.largest_difference(found)
    if not difference <= trial.allowed(tuple(found)):
        raise OutputError(
            f"{path}: is not written, for what it computes would differ from gpuae's output by "
            f"{difference:.1g} where {LIMIT:.0e} is allowed; save the model as another format"
        )
    if OUTLIER in found and not _same_outliers(trial, found[OUTLIER]):
        raise OutputError(
            f"{path}: is not written, for it would take other rows for outliers than gpuae does; "
            "save the model as another format"
        )
    return difference, tuple(found)


def _same_outliers(trial: Trial, found: Matrix) -> bool:
    """Whether the same rows are outliers, but for those whose score is as good as the threshold."""
    scores, threshold = trial.own[SCORE], trial.threshold or 0.0
    clear = np.abs(scores - threshold) > NEAR * threshold
    return bool((found == (scores > threshold))[clear].all())


def made_up_rows(computation: Computation, dtype: np.dtype[Any]) -> Matrix:
    """Return raw rows (m, d): ordinary ones, far ones, and some with missing values if they may."""
    own = computation.preprocess
    random = np.random.default_rng(0)
    width = own.high - own.low
    known = np.isfinite(width) & (width <= WIDEST_RANGE)
    low, width = np.where(known, own.low, 0.0), np.where(known, width, 1.0)
    inside = low + width * random.random((ORDINARY, computation.columns))
    away = random.standard_normal((FAR, computation.columns)) * width
    far = low + away * np.geomspace(10, FARTHEST, FAR)[:, None]
    rows = own.backward(np.concatenate([inside, far])).astype(dtype)
    if own.fill is not None:
        rows[::4][random.random(rows[::4].shape) < 0.3] = np.nan
    return rows


def _is_clear(computation: Computation, rows: Matrix) -> NDArray[np.bool_]:
    """Return which rows (m,) have a selection of units that rounding does not change."""
    k = computation.k
    if k is None or k >= computation.code_size:
        return np.ones(len(rows), bool)
    with np.errstate(over="ignore", invalid="ignore"):
        units = -np.sort(-computation.units(rows), axis=1)
        gaps, sizes = units[:, k - 1] - units[:, k], np.abs(units).max(axis=1)
    return np.asarray((gaps > CLEAR * sizes) | (units[:, k - 1] == units[:, k]))


def _is_moderate(computation: Computation, rows: Matrix) -> NDArray[np.bool_]:
    """Return which rows (m,) have outputs that are not many times as large as ordinary ones."""
    found = computation.run(rows)
    kept = np.ones(len(rows), bool)
    for name in (CODE, RECONSTRUCTION):
        own = np.abs(found.get(name, found[CODE])).max(axis=1)
        kept &= np.isfinite(own) & (own <= LARGEST * max(np.median(own[:ORDINARY]), 1.0))
    return kept


def _wide(model: Model) -> Model:
    """Return a model that computes in float64."""
    config = model.config.model_copy(update={"dtype": "float64"})
    return replace(model, config=config, parameters=model.parameters.astype(np.float64))


def _own(model: Model, computation: Computation, rows: Matrix) -> Results:
    """Return what gpuae computes on the CPU."""
    columns, classes = rows.shape[1], len(computation.decoder[-1].bias)
    ways = {
        CODE: (encoding.encode, (computation.code_size,)),
        RECONSTRUCTION: (encoding.reconstruct, (columns,)),
        SCORE: (encoding.score, ()),
        PROBABILITIES: (encoding.classify, (classes,)),
    }
    found = {}
    for name in (own for own in computation.outputs if own != OUTLIER):
        compute, shape = ways[name]
        found[name] = np.empty((len(rows), *shape))
        compute(model, rows, encoding.into(found[name]), machine=Machine("cpu", 1))
    return found
