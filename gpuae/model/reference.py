"""What a model is compared with: PCA of the same size, learnt from the same training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.pca import Centred, principal_axes
from gpuae.model.preprocess import Preprocess
from gpuae.model.statistics import Vector
from gpuae.storage.matrix import Source

SHARE_OF_TRAINING = 0.1
"""PCA is learnt where it takes at most this part of the arithmetic of training,"""
LITTLE_ARITHMETIC = 2e10
"""or so few operations that it does not matter."""


@dataclass(frozen=True)
class PCA:
    """The first principal axes of preprocessed rows.

    Attributes
    ----------
    mean
        Of each column, (d,), float64.
    axes
        One a column, (d, k), as many as the code has units or the rows allow.
    variances
        Of the rows along them, (k,), float64, descending.
    """

    mean: Vector
    axes: NDArray[Any]
    variances: Vector

    @classmethod
    def learn(
        cls, x: Source, rows: NDArray[np.int64] | None, preprocess: Preprocess, code_size: int
    ) -> PCA:
        """Learn it from all rows of x (n, d), or of an array from the chosen ones."""
        centred = Centred(x, rows, preprocess)
        count = components(centred.rows, centred.columns, code_size)
        return cls(centred.mean, *principal_axes(x, rows, preprocess, count))

    def rebuilt(self, preprocessed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the projections of rows (m, d) on the axes."""
        return (preprocessed - self.mean) @ self.axes @ self.axes.T + self.mean

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all numbers under the names they have in a model file."""
        return {"mean": self.mean, "axes": self.axes, "variances": self.variances}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> PCA | None:
        """Invert `arrays`; None for a model without it."""
        return cls(stored["mean"], stored["axes"], stored["variances"]) if stored else None


def components(rows: int, columns: int, code_size: int) -> int:
    """Return how many axes so many rows have for a code of this size."""
    return min(code_size, rows, columns)


def learn_reference(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    preprocess: Preprocess,
    config: Config,
    network: Network,
) -> PCA | None:
    """Learn PCA from the training rows of x (n, d) where it takes little beside the training.

    Its axes have the type of the weights, of which there are at least as many.
    """
    training = 6.0 * len(rows) * network.n_weights * config.epochs
    if _arithmetic(len(rows), x.shape[1]) > max(SHARE_OF_TRAINING * training, LITTLE_ARITHMETIC):
        return None
    learnt = PCA.learn(x, rows, preprocess, network.code_size)
    return PCA(learnt.mean, learnt.axes.astype(config.dtype), learnt.variances)


def _arithmetic(rows: int, columns: int) -> float:
    """Return about how many operations the axes take, most of them for products of rows."""
    smaller = min(rows, columns)
    return 2.0 * rows * columns * smaller + 9.0 * smaller**3
