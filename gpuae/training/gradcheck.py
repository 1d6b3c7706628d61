"""Check of a configuration's gradient: against central differences of J, in float64.

For each array one direction v of random ±1: the slope of J along v, (J(θ + hv) − J(θ − hv))/2h, has
to be ⟨∇J, v⟩. Every entry takes part, at the price of two evaluations for an array. A mistake δ of
the gradient shows as ⟨δ, v⟩, whose mean square over v is ‖δ‖². (J. Spall: Multivariate stochastic
approximation using a simultaneous perturbation gradient approximation, IEEE Transactions on
Automatic Control 37, 1992, takes the same directions.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Ops
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.network import Network, ParameterGroup
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.storage.rows.categorical import places
from gpuae.training.preparation import new_team, prepare
from gpuae.training.team import Team

STEPS = 1e-5, 1e-6, 1e-7
"""How far the input of a unit is moved for a difference, for inputs about 1.

Where relu bends, or topk chooses otherwise, between the two points, their difference is no
derivative: nearer points decide. A wrong gradient is wrong at every distance.
"""
FLOOR = 1e-3
LIMIT = 1e-6
"""A relative error above this is a wrong gradient."""


@dataclass(frozen=True)
class ArrayCheck:
    """How one array of the gradient compares.

    Attributes
    ----------
    error
        ‖analytic − numeric slopes‖ / (‖gradient‖ + ‖numeric slopes‖), the divisor at least `FLOOR`
        of what it is for the whole gradient: below that a difference is mostly rounding. 0 where
        all vanishes.
    """

    name: str
    shape: tuple[int, ...]
    error: float


Directions = Iterable[NDArray[np.float64]]


def check_gradient(
    config: Config,
    rows: int = 5,
    columns: int = 6,
    seed: int = 1,
    *,
    every_entry: bool = False,
    weighted: bool = False,
    categories: tuple[int, ...] = (),
) -> list[ArrayCheck]:
    """Compare every array's gradient with central differences on random rows.

    The whole objective is checked: noise and dropout (which the seed fixes), penalties, decay.
    Along one random direction for each array, or `every_entry` by itself. `weighted` gives the rows
    random weights. The last columns are groups of categories of these widths.

    Raises
    ------
    ConfigError
        Where the settings make no sense for the rows, which lie in [0, 1].
    """
    random = np.random.default_rng(seed)
    x = _random_rows(random, rows, columns, categories)
    order = np.arange(rows)
    whole = None if config.full_batch else rows
    exact = config.model_copy(update={"dtype": "float64", "batch_size": whole})
    weights = _random_weights(rows, seed) if weighted else None
    statistics = column_statistics(x, order)
    prepared = prepare(x, order, exact, statistics, weights=weights, categories=categories)
    network = mirrored_autoencoder(prepared.config, columns, categories)
    ops = get_ops(resolve_device(config.device), config.precision)
    start = _spread_out(network, prepared.config)
    own = (x, ops.asarray(start.copy()), rows)
    with new_team(ops, network, prepared, *own, row_weights=weights) as team:
        team.full_gradient(order)
        gradient = ops.to_host(team.gradient)
        objective_at = _Objective(team, ops, start, order, prepared.config)
        slopes = []
        for name, group in _groups(network):
            along = _every_entry(group) if every_entry else [_random_signs(group, random)]
            slopes.append(_slopes(name, group, along, gradient, objective_at))
    return _compare(gradient, slopes)


def _random_weights(rows: int, seed: int) -> NDArray[np.float64]:
    """Return weights (rows,) far from equal, whose mean is 1."""
    weights = np.random.default_rng((seed, rows)).uniform(0.1, 2.0, rows)
    return np.asarray(weights / weights.mean())


def _random_rows(
    random: np.random.Generator, rows: int, columns: int, categories: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return numbers in [0, 1], and one member of each group of categories in each row."""
    x = random.random((rows, columns))
    for place in places(columns, categories):
        size = place.stop - place.start
        x[:, place] = np.eye(size)[random.integers(size, size=rows)]
    return x


def _spread_out(network: Network, config: Config) -> NDArray[np.float64]:
    """Return random weights and biases, whatever `init` says.

    Weights as small as those of init=distance have a gradient below the rounding of differences,
    and a relu has no derivative where biases are zero.
    """
    flat = initial_parameters(network, config.model_copy(update={"init": "glorot"}))
    biases = flat[network.n_weights :]
    biases[...] = np.random.default_rng(config.seed).uniform(-0.3, 0.3, len(biases))
    return flat


def _groups(network: Network) -> Iterator[tuple[str, ParameterGroup]]:
    """Yield every array with its name; a weight that is used twice has the first use's."""
    for layer in network.layers:
        side = "encoder" if layer.number <= network.depth else "decoder"
        name = f"{side}/{(layer.number - 1) % network.depth}"
        if not layer.transposed:
            yield f"{name}/weight", layer.weight
        yield f"{name}/bias", layer.bias


def _random_signs(group: ParameterGroup, random: np.random.Generator) -> NDArray[np.float64]:
    return random.choice([-1.0, 1.0], math.prod(group.shape))


def _every_entry(group: ParameterGroup) -> Iterator[NDArray[np.float64]]:
    size = math.prod(group.shape)
    for entry in range(size):
        direction = np.zeros(size)
        direction[entry] = 1.0
        yield direction


@dataclass(frozen=True)
class _Objective:
    """J where some of the parameters are moved from the start."""

    team: Team
    ops: Ops
    start: NDArray[np.float64]
    order: NDArray[np.int64]
    config: Config

    def __call__(self, place: slice, move: NDArray[np.float64]) -> float:
        """Return J with `move` added at a place of the flat vector."""
        moved = self.team.parameters[place]
        self.ops.assign(moved, self.start[place] + move)
        value = objective(self.team.full_gradient(self.order), self.config)
        self.ops.assign(moved, self.start[place])
        return value

    def slope(
        self, group: ParameterGroup, direction: NDArray[np.float64], expected: float, near: float
    ) -> float:
        """Return the slope along a direction: the first that is near what is expected, or nearest.

        All of a weight's entries together move the inputs of its units √n_in times as far as one.
        """
        reach = math.sqrt(max(np.count_nonzero(direction) / group.shape[-1], 1.0))
        slopes = []
        for step in (own / reach for own in STEPS):
            ends = [self(group.place, move * direction) for move in (step, -step)]
            slopes.append((ends[0] - ends[1]) / (2 * step))
            if abs(slopes[-1] - expected) <= near:
                return slopes[-1]
        return min(slopes, key=lambda own: abs(own - expected))


@dataclass(frozen=True)
class _Slopes:
    """Slopes of J along directions of one array."""

    name: str
    group: ParameterGroup
    analytic: NDArray[np.float64]
    numeric: NDArray[np.float64]


def _slopes(
    name: str,
    group: ParameterGroup,
    directions: Directions,
    gradient: NDArray[np.float64],
    objective_at: _Objective,
) -> _Slopes:
    near = LIMIT * max(np.linalg.norm(gradient[group.place]), FLOOR * np.linalg.norm(gradient))
    analytic, numeric = [], []
    for direction in directions:
        slope = float(gradient[group.place] @ direction)
        analytic.append(slope)
        numeric.append(objective_at.slope(group, direction, slope, float(near)))
    return _Slopes(name, group, np.array(analytic), np.array(numeric))


def _compare(gradient: NDArray[np.float64], slopes: list[_Slopes]) -> list[ArrayCheck]:
    numeric = np.concatenate([own.numeric for own in slopes])
    floor = FLOOR * _size(gradient, numeric)
    return [_array_check(own, gradient[own.group.place], floor) for own in slopes]


def _size(gradient: NDArray[np.float64], numeric: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(gradient) + np.linalg.norm(numeric))


def _array_check(slopes: _Slopes, gradient: NDArray[np.float64], floor: float) -> ArrayCheck:
    size = max(_size(gradient, slopes.numeric), floor)
    difference = float(np.linalg.norm(slopes.analytic - slopes.numeric))
    return ArrayCheck(slopes.name, slopes.group.shape, difference / size if size else 0.0)
