"""Proof of a configuration's gradient: against central differences of J, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Ops
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.network import Network
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.preparation import new_team, prepare
from gpuae.training.team import Team

STEP = 1e-5
"""Half the distance of the two points of a difference."""
FLOOR = 1e-3
LIMIT = 1e-6
"""A relative error above this is a wrong gradient."""


@dataclass(frozen=True)
class ArrayCheck:
    """How one array of the gradient compares.

    Attributes
    ----------
    error
        ‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖), the divisor at least `FLOOR` of what it is
        for the whole gradient: below that a difference is mostly rounding. 0 where all vanishes.
    """

    name: str
    shape: tuple[int, ...]
    error: float


def check_gradient(
    config: Config, rows: int = 5, columns: int = 6, seed: int = 1
) -> list[ArrayCheck]:
    """Compare every array's gradient with central differences on random rows.

    The whole objective is checked: noise and dropout (which the seed fixes), penalties, decay.

    Raises
    ------
    ConfigError
        Where the settings make no sense for the rows, which lie in [0, 1].
    """
    x = np.random.default_rng(seed).random((rows, columns))
    order = np.arange(rows)
    whole = None if config.full_batch else rows
    exact = config.model_copy(update={"dtype": "float64", "batch_size": whole})
    prepared = prepare(x, order, exact, column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, columns)
    ops = get_ops(resolve_device(config.device), config.precision)
    start = _spread_out(network, prepared.config)
    with new_team(ops, network, prepared, x, ops.asarray(start.copy()), rows) as team:
        team.full_gradient(order)
        analytic = ops.to_host(team.gradient)
        numeric = _central_differences(team, ops, start, order, prepared.config)
    return _compare(network, analytic, numeric)


def _spread_out(network: Network, config: Config) -> NDArray[np.float64]:
    """Return random weights and biases, whatever `init` says.

    Weights as small as those of init=distance have a gradient below the rounding of differences,
    and a relu has no derivative where biases are zero.
    """
    flat = initial_parameters(network, config.model_copy(update={"init": "glorot"}))
    biases = flat[network.n_weights :]
    biases[...] = np.random.default_rng(config.seed).uniform(-0.3, 0.3, len(biases))
    return flat


def _central_differences(
    team: Team, ops: Ops, start: NDArray[np.float64], order: NDArray[np.int64], config: Config
) -> NDArray[np.float64]:
    numeric = np.empty(len(start))
    for i, value in enumerate(start):
        entry = team.parameters[i : i + 1]
        ends = []
        for moved in (value + STEP, value - STEP):
            ops.assign(entry, np.array([moved]))
            ends.append(objective(team.full_gradient(order), config))
        ops.assign(entry, np.array([value]))
        numeric[i] = (ends[0] - ends[1]) / (2 * STEP)
    return numeric


def _compare(
    network: Network, analytic: NDArray[np.float64], numeric: NDArray[np.float64]
) -> list[ArrayCheck]:
    floor = FLOOR * _size(analytic, numeric)
    checks = []
    pairs = zip(network.layers, network.views(analytic), network.views(numeric), strict=True)
    for layer, own, expected in pairs:
        side = "encoder" if layer.number <= network.depth else "decoder"
        index = (layer.number - 1) % network.depth
        if not layer.transposed:
            name = f"{side}/{index}/weight"
            checks.append(_array_check(name, own.weight, expected.weight, floor))
        checks.append(_array_check(f"{side}/{index}/bias", own.bias, expected.bias, floor))
    return checks


def _size(analytic: NDArray[np.float64], numeric: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(analytic) + np.linalg.norm(numeric))


def _array_check(
    name: str, analytic: NDArray[np.float64], numeric: NDArray[np.float64], floor: float
) -> ArrayCheck:
    size = max(_size(analytic, numeric), floor)
    error = float(np.linalg.norm(analytic - numeric)) / size if size else 0.0
    return ArrayCheck(name, analytic.shape, error)
