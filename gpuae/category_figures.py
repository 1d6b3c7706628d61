"""How well a model names the categories of rows, beside PCA and beside guessing.

Every figure is defined in docs/mathematics.md. Cells of which the category is not known count for
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.model.model import Model
from gpuae.model.statistics import RowWeights, weighted_sum
from gpuae.storage.rows.categorical import places

Matrix = NDArray[Any]


@dataclass(frozen=True)
class CategoryFigures:
    """Figures over all columns of categories of some rows."""

    columns: int
    cells: float
    """How many have a category that is known, each by the weight of its row."""
    accuracy: float
    """Share of the cells whose likeliest category is theirs."""
    majority: float
    """Share that is right if always the most frequent category of these rows is named."""
    pca_accuracy: float | None
    """Share that the largest member is right about in what PCA makes of rows; None: not known."""
    cross_entropy: float
    """Mean of −ln p over the cells, p the probability of their category."""
    entropy: float
    """The same where p is how frequent it is in these rows."""

    @classmethod
    def pooled(cls, parts: Sequence[CategoryFigures]) -> Self | None:
        """Return the figures of several sets of rows together; None where there is no cell."""
        cells = sum(part.cells for part in parts)
        if not cells:
            return None

        def mean(name: str) -> float:
            return sum(part.cells * float(getattr(part, name)) for part in parts) / cells

        known = all(part.pca_accuracy is not None for part in parts)
        return cls(
            columns=parts[0].columns,
            cells=cells,
            accuracy=mean("accuracy"),
            majority=mean("majority"),
            pca_accuracy=mean("pca_accuracy") if known else None,
            cross_entropy=mean("cross_entropy"),
            entropy=mean("entropy"),
        )

    @property
    def beyond_guessing(self) -> float:
        """Share of the mistakes of always naming the most frequent category that is not made."""
        return self._beyond(self.accuracy)

    @property
    def pca_beyond_guessing(self) -> float | None:
        """The same of PCA."""
        return None if self.pca_accuracy is None else self._beyond(self.pca_accuracy)

    def _beyond(self, accuracy: float) -> float:
        mistakes = 1.0 - self.majority
        if mistakes <= 0:
            return 1.0 if accuracy == 1.0 else accuracy - 1.0
        return (accuracy - self.majority) / mistakes


@dataclass(frozen=True)
class CategorySums:
    """What blocks of rows leave behind, one entry for each block."""

    right: NDArray[np.float64]
    entropy: NDArray[np.float64]
    """Σ −ln p."""

    @classmethod
    def allocate(cls, blocks: int) -> CategorySums:
        """Return sums of zero."""
        return cls(np.zeros(blocks), np.zeros(blocks))

    def measure(
        self, block: int, model: Model, output: Matrix, target: Matrix, weights: RowWeights
    ) -> None:
        """Add outputs and targets (m, d) of a block, both preprocessed."""
        right = entropy = 0.0
        least = np.finfo(output.dtype).tiny
        for place in places(output.shape[1], model.network.categories):
            own, wanted = output[:, place], target[:, place]
            right += right_cells(own, wanted, weights)
            chosen = np.maximum(own, least).astype(np.float64)
            surprise = -np.log(chosen, out=np.zeros_like(chosen), where=wanted > 0)
            entropy += float(weighted_sum(surprise.sum(axis=1), weights))
        self.right[block], self.entropy[block] = right, entropy


def right_cells(output: Matrix, target: Matrix, weights: RowWeights) -> float:
    """Return in how many rows (m, k) with a category the largest output is its own."""
    right = (output.argmax(axis=1) == target.argmax(axis=1)) & target.any(axis=1)
    return float(weighted_sum(right, weights))


def category_figures(
    model: Model, sums: CategorySums, counts: NDArray[np.float64], pca_right: float | None
) -> CategoryFigures | None:
    """Put figures together; None where no cell has a category that is known.

    Parameters
    ----------
    counts
        How many rows have each member of the categories, (members,), by their weights.
    pca_right
        How many cells PCA is right about; None where there is none.
    """
    cells = float(counts.sum())
    if not cells:
        return None
    groups = [counts[place] for place in places(len(counts), model.network.categories)]
    return CategoryFigures(
        columns=len(model.categorical),
        cells=cells,
        accuracy=float(sums.right.sum()) / cells,
        majority=sum(float(own.max()) for own in groups) / cells,
        pca_accuracy=None if pca_right is None else pca_right / cells,
        cross_entropy=float(sums.entropy.sum()) / cells,
        entropy=sum(map(entropy_of, groups)) / cells,
    )


def entropy_of(counts: NDArray[np.float64]) -> float:
    """Return −Σ n ln(n/N) of counts n, of which N is the sum."""
    there = counts[counts > 0]
    return float(-(there * np.log(there / math.fsum(there))).sum()) if len(there) else 0.0
