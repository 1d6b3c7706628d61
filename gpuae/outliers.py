"""Rows judged one by one: score, whether it is an outlier, how unusual that is, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.encoding import Note, Sink
from gpuae.errors import ConfigError, InputError
from gpuae.machine import ANY, Machine
from gpuae.model.calibration import Calibration, Judged
from gpuae.model.model import Model
from gpuae.storage.rows.lazy_rows import AnyRows

Block: TypeAlias = NDArray[Any]
"""Rows (m,) with fields."""


def chosen_threshold(
    model: Model, threshold: float | None = None, contamination: float | None = None
) -> float | None:
    """Return the score above which a row is an outlier: the given one, or that of the model.

    Parameters
    ----------
    contamination
        The share of the rows the model was calibrated with that has higher scores.

    Raises
    ------
    ConfigError
        For values that are no threshold or no share, and for both together.
    InputError
        Where the model has kept no scores to take a share of.
    """
    if threshold is not None and contamination is not None:
        raise ConfigError(
            "threshold and contamination both say where outliers begin; leave one of them out"
        )
    if threshold is not None:
        if not (np.isfinite(threshold) and threshold >= 0):
            raise ConfigError(f"threshold: needs a score from 0 on, not {threshold:g}")
        return float(threshold)
    if contamination is None:
        return model.calibration.threshold if model.calibration else None
    if not 0 < contamination <= 0.5:
        raise ConfigError(
            f"contamination: needs a share of the rows in (0, 0.5], not {contamination:g}"
        )
    return calibration_of(model).quantile(contamination)


def calibration_of(model: Model) -> Calibration:
    """Return what a model knows of scores.

    Raises
    ------
    InputError
        Where it knows nothing.
    """
    if model.calibration is None:
        raise InputError(
            "the model has kept no scores of rows to judge by: its training had not ended, or an "
            "earlier gpuae made it; give a threshold, or train it again"
        )
    return model.calibration


@dataclass(frozen=True)
class Report:
    """What is said of each row beside its score.

    Attributes
    ----------
    threshold
        Rows of a higher score are outliers; None: nothing is said of that.
    shares
        Whether each column's share of the score is given.
    top
        Only so many columns, those of the largest shares, by their names; None: all, in order.
    names
        Of the columns.
    """

    model: Model
    threshold: float | None = None
    shares: bool = False
    top: int | None = None
    names: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether nothing but the score is given."""
        return self.threshold is None and not self.shares

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a row: `error`, then what else is given."""
        fields: list[tuple[Any, ...]] = [("error", "f8")]
        if self.threshold is not None:
            fields.append(("outlier", "u1"))
            if self.model.calibration is not None:
                fields.append(("p_value", "f8"))
        if self.shares and self.top is None:
            fields.append(("contributions", "f4", (self.model.table_columns,)))
        elif self.shares:
            length = max(map(len, self.names), default=1)
            for place in range(1, self._count + 1):
                fields += [(f"column_{place}", f"U{length}"), (f"share_{place}", "f4")]
        return np.dtype(fields)

    @property
    def _count(self) -> int:
        return min(self.top or 0, self.model.table_columns)

    def block(self, judged: Judged) -> Block:
        """Return what is said of rows that have been judged."""
        block = np.empty(len(judged.scores), self.dtype)
        block["error"] = judged.scores
        self._judge(block)
        if self.shares:
            shares = judged.shares
            if self.top is None:
                block["contributions"] = shares
            else:
                self._name_largest(block, shares)
        return block

    def _judge(self, block: Block) -> None:
        if self.threshold is not None:
            block["outlier"] = block["error"] > self.threshold
            if self.model.calibration is not None:
                block["p_value"] = self.model.calibration.p_values(block["error"])

    def _name_largest(self, block: Block, shares: NDArray[np.float64]) -> None:
        order = np.argsort(-shares, axis=1, kind="stable")[:, : self._count]
        names = np.array(self.names)
        for place, columns in enumerate(order.T, start=1):
            block[f"column_{place}"] = names[columns]
            block[f"share_{place}"] = np.take_along_axis(shares, columns[:, None], axis=1)[:, 0]


def judge(
    report: Report, x: AnyRows, sink: Sink, *, machine: Machine = ANY, note: Note | None = None
) -> None:
    """Hand what a report says of the rows of x (n, d) to the sink, as rows (m,) with fields.

    `note` is told, and raised is, what `gpuae.encoding.judge` says.
    """

    def take(start: int, own: Judged) -> None:
        sink(start, report.block(own))

    encoding.judge(report.model, x, take, machine=machine, note=note)


def column_names(model: Model, names: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the names of the columns, or their numbers from 1, as `--columns` counts them."""
    known = model.feature_names or names
    return known or tuple(map(str, range(1, model.network.columns + 1)))


def table_names(model: Model, names: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the names of the columns of a table: numbers, then the columns of categories."""
    numbers = column_names(model, names)[: model.numbers]
    return (*numbers, *(column.name for column in model.categorical))


def known_threshold(model: Model) -> float:
    """Return the score above which a row is an outlier.

    Raises
    ------
    ConfigError
        Where the model was not told how many rows are.
    """
    threshold = chosen_threshold(model)
    if threshold is None:
        raise ConfigError(
            "contamination: the model was trained without it, so it does not know where outliers "
            "begin; train it with contamination=0.05, say"
        )
    return threshold
