"""What the runs of a sweep came to, and in which order they stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue

from gpuae.sweeps.runs import Run
from gpuae.training.fitting import Fit
from gpuae.training.trainer import Ending
from gpuae.verdict import Verdict

UNITS = ("scale", "whiten", "whiten_epsilon")
"""Settings that decide in which units the network sees the data."""
UNSEEN = ("validation", "folds", "seed")
"""Settings that decide which rows are held out."""
PREPROCESSED = "preprocessed_"
FAILED = "failed"


class Result(BaseModel):
    """How a run went; the figures have the names that they have in `evaluate`.

    Attributes
    ----------
    settings
        Those that are varied, as text.
    ending
        How training ended, or `failed`.
    reason
        Why it failed or diverged; empty where it did neither.
    deciding
        Settings, as the data have completed them, that two results must share to be compared.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    settings: dict[str, str]
    ending: str
    reason: str = ""
    explained_variance: float | None = None
    pca_explained_variance: float | None = None
    preprocessed_explained_variance: float | None = None
    preprocessed_pca_explained_variance: float | None = None
    measured_rows: int = 0
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    model: str = ""
    deciding: dict[str, JsonValue] = {}

    @classmethod
    def of(cls, run: Run, fitted: Fit, verdict: Verdict | None, model: str, reason: str) -> Self:
        """Return what a training came to that has left a model."""
        figures = {} if verdict is None else verdict.summary()
        names = [name for name in cls.model_fields if "explained_variance" in name]
        stored = fitted.model.config.stored()
        return cls(
            settings=dict(run.settings),
            ending=fitted.result.ending.value,
            reason=reason,
            **{name: _finite(figures.get(name)) for name in names},
            measured_rows=0 if verdict is None else verdict.rows,
            epochs=fitted.result.epochs,
            best_epoch=fitted.result.best_epoch,
            seconds=fitted.result.seconds,
            model=model,
            deciding={name: stored.get(name) for name in (*UNITS, *UNSEEN)},
        )

    @classmethod
    def failed(cls, run: Run, reason: str) -> Self:
        """Return what a run came to that has left no model."""
        return cls(settings=dict(run.settings), ending=FAILED, reason=reason)

    @property
    def is_good(self) -> bool:
        """Whether it has a place among the others."""
        return self.ending not in (FAILED, Ending.DIVERGED.value) and not math.isnan(self.figure())

    def figure(self, name: str = "explained_variance") -> float:
        """Return a figure; NaN where it is not known."""
        value: float | None = getattr(self, name)
        return math.nan if value is None else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Table:
    """The results of a sweep, the best first, and what is said about their order.

    Parameters
    ----------
    varied
        Names of the settings that are varied.
    results
        In any order; those that failed come last.

    Attributes
    ----------
    prefix
        What the names of the figures begin with that the order goes by.
    """

    def __init__(self, varied: Sequence[str], results: Sequence[Result]) -> None:
        self.varied = tuple(varied)
        good = [result for result in results if result.is_good]
        self._one_unit = _agree(good, UNITS)
        self._same_rows = _agree(good, UNSEEN)
        self.prefix = PREPROCESSED if self._one_unit else ""
        others = [result for result in results if not result.is_good]
        self.results = (*sorted(good, key=self._rank), *others)

    @property
    def best(self) -> Result | None:
        """The first one, if any is good."""
        return next((result for result in self.results if result.is_good), None)

    def explained(self, result: Result) -> float:
        """Return the share by which results are ordered; NaN where there is none."""
        return result.figure(f"{self.prefix}explained_variance") if result.is_good else math.nan

    def explained_by_pca(self, result: Result) -> float:
        """Return PCA's share in the same units; NaN where there is none."""
        name = f"{self.prefix}pca_explained_variance"
        return result.figure(name) if result.is_good else math.nan

    def _rank(self, result: Result) -> tuple[float, str]:
        """Order by the figure; of equals by their settings, so that the order never changes."""
        return -self.explained(result), str(result.settings)

    def remarks(self, *, detects: bool) -> Iterator[str]:
        """Yield what has to be known to read the order, each in a sentence.

        Parameters
        ----------
        detects
            Whether the models are to find outliers.
        """
        if not self._one_unit:
            yield (
                "the runs scale the data differently, so they are ordered by the variance that "
                "they explain in the data's own units, where columns of large values count most"
            )
        if not self._same_rows:
            yield "the runs hold out different rows, so small differences may be chance"
        if len({result.settings.get("hidden") for result in self.results}) > 1:
            yield (
                "a larger code explains more of any data; compare each with PCA of its size, and "
                "see `gpuae dimensions` for how large a code these data need"
            )
        if detects:
            yield (
                "they are ordered by how well they rebuild unseen rows, which does not say how "
                "well they find outliers; compare `gpuae score` on rows that you know"
            )


def _agree(results: Sequence[Result], names: Sequence[str]) -> bool:
    """Whether all results share these settings."""
    found: list[Mapping[str, JsonValue]] = [
        {name: result.deciding.get(name) for name in names} for result in results
    ]
    return all(own == found[0] for own in found)
