"""What a model is compared with: PCA of the same size, learnt from the same training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.pca import PrincipalAxes, principal_axes
from gpuae.model.preprocess import Preprocess

SHARE_OF_TRAINING = 0.1
"""PCA is learnt where it takes at most this part of the arithmetic of training,"""
LITTLE_ARITHMETIC = 2e10
"""or so few operations that it does not matter."""


def learn_reference(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    preprocess: Preprocess,
    config: Config,
    network: Network,
) -> PrincipalAxes | None:
    """Learn PCA from the training rows of x (n, d) where that takes little beside the training.

    Its axes have the type of the weights, which are at least as many numbers.
    """
    training = 6.0 * len(rows) * network.n_weights * config.epochs
    if _arithmetic(len(rows), x.shape[1]) > max(SHARE_OF_TRAINING * training, LITTLE_ARITHMETIC):
        return None
    learnt = principal_axes(x, rows, preprocess, network.code_size)
    return replace(learnt, axes=learnt.axes.astype(config.dtype)) if learnt.axes.size else None


def _arithmetic(rows: int, columns: int) -> float:
    """Return about how many operations the axes take, most of them for products of rows."""
    smaller = min(rows, columns)
    return 2.0 * rows * columns * smaller + 9.0 * smaller**3
