"""What a model starts from and is compared with: PCA learnt from its own training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.pca import PrincipalAxes, principal_axes
from gpuae.model.preprocess import Preprocess
from gpuae.model.statistics import RowWeights

SHARE_OF_TRAINING = 0.1
"""PCA is learnt for comparison only where it takes at most this part of the work of training,"""
LITTLE_WORK = 2e10
"""or so few operations that it does not matter."""


def learn_axes(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    preprocess: Preprocess,
    config: Config,
    network: Network,
    *,
    to_start: bool,
    weights: RowWeights = None,
) -> PrincipalAxes | None:
    """Learn the principal axes of the chosen rows of x (n, d): as many as the code has units.

    With more of them, for the first hidden layer, where training starts from them. None where they
    are not needed to start and would take much beside the training. The rows count by their weights
    (n,), if they have any.
    """
    if to_start:
        count = max(network.code_size, network.layers[0].n_out // 2)
        return principal_axes(x, rows, preprocess, count, weights)
    training = 6.0 * len(rows) * network.n_weights * config.resolved("epochs")
    if _work(len(rows), x.shape[1]) > max(SHARE_OF_TRAINING * training, LITTLE_WORK):
        return None
    return principal_axes(x, rows, preprocess, network.code_size, weights)


def reference(axes: PrincipalAxes | None, config: Config, network: Network) -> PrincipalAxes | None:
    """Return the axes that a model is compared with, as many as its code has units.

    In the type of the weights, which are at least as many numbers; None where there are none.
    """
    if axes is None or not axes.axes.size:
        return None
    return axes.first(network.code_size, config.dtype)


def _work(rows: int, columns: int) -> float:
    """Return about how many operations the axes take, most of them for products of rows."""
    smaller = min(rows, columns)
    return 2.0 * rows * columns * smaller + 9.0 * smaller**3
