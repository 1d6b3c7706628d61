"""Optimizers of mini-batch training: each moves any part of the flat vector on its own."""

from __future__ import annotations

import math
from typing import Protocol

from gpuae.backends.ops import Array, Clock, Ops
from gpuae.config import Config


class Optimizer(Protocol):
    """Moves parameters by their gradient, a part of the flat vector at a time."""

    def update(self, part: slice, parameters: Array, gradient: Array, clock: Clock) -> None:
        """Move parameters[part] by their gradient, which is as long as the part."""
        ...


class Adam:
    """D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015."""

    def __init__(self, ops: Ops, size: int, config: Config) -> None:
        self._ops = ops
        self.first = ops.zeros((size,), config.dtype)
        self.second = ops.zeros((size,), config.dtype)

    def update(self, part: slice, parameters: Array, gradient: Array, clock: Clock) -> None:
        """Move parameters[part]."""
        first, second = self.first[part], self.second[part]
        self._ops.adam(parameters[part], gradient, first, second, clock)


class SGD:
    """Gradient descent with (heavy-ball) momentum."""

    def __init__(self, ops: Ops, size: int, config: Config) -> None:
        self._ops = ops
        self._momentum = config.momentum
        self.velocity = ops.zeros((size,), config.dtype)

    def update(self, part: slice, parameters: Array, gradient: Array, clock: Clock) -> None:
        """Move parameters[part]."""
        velocity = self.velocity[part]
        self._ops.sgd(parameters[part], gradient, velocity, self._momentum, clock)


def create_optimizer(ops: Ops, size: int, config: Config) -> Optimizer:
    """Return the optimizer of a mini-batch configuration with its state at zero."""
    kinds: dict[str, type[Adam] | type[SGD]] = {"adam": Adam, "sgd": SGD}
    return kinds[config.optimizer](ops, size, config)


class LearningRate:
    """The rate of each epoch: constant, cosine from full to zero, or halved on a plateau."""

    PLATEAU_EPOCHS = 3
    PLATEAU_FACTOR = 0.5

    def __init__(self, config: Config) -> None:
        self._config = config
        self._reductions = 0
        self._best = math.inf
        self._waited = 0

    def of(self, epoch: int) -> float:
        """Return the rate of an epoch, counted from 0."""
        rate = self._config.learning_rate
        if self._config.schedule == "cosine":
            return rate * (1 + math.cos(math.pi * epoch / self._config.epochs)) / 2
        return float(rate * self.PLATEAU_FACTOR**self._reductions)

    def observe(self, loss: float) -> None:
        """Take in an epoch's (validation) loss; a plateau is some epochs without a gain."""
        if self._config.schedule != "plateau":
            return
        self._waited = 0 if loss < self._best else self._waited + 1
        self._best = min(self._best, loss)
        if self._waited >= self.PLATEAU_EPOCHS:
            self._reductions += 1
            self._waited = 0
