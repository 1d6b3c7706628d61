"""What a model keeps of rows to judge others by: typical errors, and rows to be near to.

The score of a row (docs/mathematics.md, "Outliers") is its mean squared error, or its distance to
the training rows in what the model makes of them: how far its reconstruction is from theirs, and
its error from theirs, column by column in units of what is usual there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.model.statistics import RowWeights, Vector
from gpuae.storage.rows.categorical import places

LEAST_RESIDUAL = 0.1
"""Added to a column's residual variance, as a share of its own variance: being rebuilt almost
exactly does not make a column decide."""
LEAST_VARIANCE = 0.1
"""Of a column, as a share of the mean over columns."""
MOST_ROWS, FEWEST_ROWS = 1000, 50
MOST_CELLS = 1 << 21
"""So many rows are compared with at most, and fewer, but for the fewest, of very many columns."""
MOST_SCORES = 2000


def nearest(rows: int) -> int:
    """Return which of so many neighbours, by distance, says how far away a row is: √rows.

    A few outliers among them, close to one another, do not make one another usual.
    """
    return math.isqrt(rows)


def rows_kept(columns: int) -> int:
    """Return how many rows of so many columns are compared with at most."""
    return max(FEWEST_ROWS, min(MOST_ROWS, MOST_CELLS // columns))


def bytes_needed(columns: int, outlier_score: str) -> int:
    """Return how much a calibration takes in a file, at most."""
    neighbours = rows_kept(columns) * 8 * columns + 16 * columns
    return 8 * MOST_SCORES + (neighbours if outlier_score == "knn" else 0)


@dataclass(frozen=True)
class Judged:
    """Scores (m,) of rows, and by how much each column (m, d) makes them so: 0 or more."""

    scores: Vector
    contributions: NDArray[np.float64]

    def by_column(self, categories: tuple[int, ...]) -> Judged:
        """Add up what the members of each group of categories, the last columns, contribute."""
        if not categories:
            return self
        members = places(self.contributions.shape[1], categories)
        sums = [self.contributions[:, place].sum(axis=1, keepdims=True) for place in members]
        numbers = self.contributions[:, : self.contributions.shape[1] - sum(categories)]
        return Judged(self.scores, np.hstack([numbers, *sums]))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each column's share of its row's score, (m, d); of a score of 0 all are 0."""
        total = self.contributions.sum(axis=1, keepdims=True)
        shares = np.zeros_like(self.contributions)
        np.divide(self.contributions, total, out=shares, where=total > 0)
        return shares


@dataclass(frozen=True)
class Neighbours:
    """Training rows, in preprocessed units, that new rows are compared with.

    Attributes
    ----------
    rows, rebuilt
        Rows and their reconstructions, (r, d), float32.
    variance, residual_variance
        What the squares of differences in each column are divided by, (d,).
    """

    rows: NDArray[np.float32]
    rebuilt: NDArray[np.float32]
    variance: Vector
    residual_variance: Vector

    def judge(self, rows: NDArray[Any], rebuilt: NDArray[Any], *, among: bool = False) -> Judged:
        """Return the squared distance of rows to their neighbour, over the number of columns.

        Parameters
        ----------
        rows, rebuilt
            Preprocessed rows and their reconstructions, (m, d).
        among
            Whether these rows are among the neighbours, so that each is its own nearest.
        """
        places = self._places(rows, rebuilt)
        with np.errstate(over="ignore", invalid="ignore"):  # so far away that all are as near
            ranks = self._lengths - 2 * (places.astype(np.float32) @ self._known_narrow.T)
        nth = min(nearest(len(self.rows)) - 1 + among, len(self.rows) - 1)
        neighbour = np.argpartition(ranks, nth, axis=1)[:, nth]
        away = places - self._known[neighbour]
        columns = rows.shape[1]
        return Judged((away**2).sum(axis=1) / columns, self._contributions(away))

    def _contributions(self, away: NDArray[np.float64]) -> NDArray[np.float64]:
        """Split squared distances by columns: what a column differs by times what that counts.

        A part of one square in the other's column (a row that is odd in one column is rebuilt badly
        in all of them) so counts little where the column itself is as its neighbour's.
        """
        scales = np.sqrt(self.variance), np.sqrt(self.residual_variance)
        near, like = np.split(away, 2, axis=1)
        differs = near * scales[0] + like * scales[1]
        return np.maximum(differs * (near / scales[0] + like / scales[1]), 0.0)

    @cached_property
    def _known(self) -> NDArray[np.float64]:
        return self._places(self.rows, self.rebuilt)

    @cached_property
    def _known_narrow(self) -> NDArray[np.float32]:
        """Enough to tell which of them is the nearest but so many."""
        return self._known.astype(np.float32)

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        return np.asarray((self._known_narrow**2).sum(axis=1))

    def _places(self, rows: NDArray[Any], rebuilt: NDArray[Any]) -> NDArray[np.float64]:
        """Return reconstructions and residuals side by side, (m, 2 d), in their units."""
        wide = rebuilt.astype(np.float64)
        residuals = rows - wide
        scales = (np.sqrt(self.variance), np.sqrt(self.residual_variance))
        return np.concatenate([wide / scales[0], residuals / scales[1]], axis=1)


NEIGHBOUR_ARRAYS = tuple(field.name for field in fields(Neighbours))


def as_often_as_they_count(scores: Vector, weights: RowWeights) -> Vector:
    """Return so many scores (m,), ascending, that each comes as often as its row counts, about.

    They are the scores below which 1/2, 3/2, … of m equal parts of the weight lie. Rows of weight
    0 are left out.
    """
    if weights is None:
        return np.sort(scores)
    scores, weights = scores[weights > 0], weights[weights > 0]
    order = np.argsort(scores, kind="stable")
    below = weights[order].cumsum()
    parts = (np.arange(len(scores)) + 0.5) / len(scores) * below[-1]
    return np.asarray(scores[order][np.searchsorted(below, parts)])


def units(variance: Vector, residual_squares: Vector) -> tuple[Vector, Vector]:
    """Return what squares of differences are divided by, (d,) each.

    Parameters
    ----------
    variance
        Of each column over training rows.
    residual_squares
        Mean of (x̂ − x)² of each column, over rows that were not trained on if there are enough.
    """
    mean = float(variance.mean()) or 1.0
    usual = np.where(variance > 0, np.maximum(variance, LEAST_VARIANCE * mean), mean)
    return usual, residual_squares + LEAST_RESIDUAL * usual


@dataclass(frozen=True)
class Calibration:
    """How large the scores of rows are usually, and which rows new ones are compared with.

    Attributes
    ----------
    scores
        Of some rows, ascending, (m,).
    held_out
        Whether these rows were not trained on.
    threshold
        Rows of a larger score count as outliers; None: nobody has said how many are.
    neighbours
        Only where the score is `knn`.
    """

    scores: Vector
    held_out: bool
    threshold: float | None = None
    neighbours: Neighbours | None = None

    def quantile(self, contamination: float) -> float:
        """Return the score that a share `contamination` of the rows exceeds."""
        return float(np.quantile(self.scores, 1.0 - contamination))

    def p_values(self, scores: Vector) -> Vector:
        """Return (1 + how many scores were as large) / (1 + how many there are), (m,)."""
        smaller = np.searchsorted(self.scores, scores, side="left")
        count = len(self.scores)
        return np.asarray((1.0 + count - smaller) / (1.0 + count))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything under the names it has in a model file."""
        stored: dict[str, NDArray[Any]] = {"scores": self.scores}
        stored["held_out"] = np.asarray(self.held_out, np.uint8)
        if self.threshold is not None:
            stored["threshold"] = np.asarray(self.threshold, np.float64)
        if self.neighbours is not None:
            stored.update((name, getattr(self.neighbours, name)) for name in NEIGHBOUR_ARRAYS)
        return stored

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> Calibration | None:
        """Invert `arrays`; None where there is nothing."""
        if "scores" not in stored:
            return None
        own = {name: stored[name] for name in NEIGHBOUR_ARRAYS if name in stored}
        threshold = stored.get("threshold")
        return cls(
            scores=stored["scores"],
            held_out=bool(stored["held_out"]),
            threshold=None if threshold is None else float(threshold),
            neighbours=Neighbours(**own) if own else None,
        )
