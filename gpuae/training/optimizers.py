"""Optimizers of mini-batch training: each moves any part of the flat vector on its own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from gpuae.backends.ops import Array, Clock, Ops
from gpuae.config import Config
from gpuae.training.state import State


class Decay(NamedTuple):
    """Weight decay of a part, in the order in which the operations take it.

    Attributes
    ----------
    weight_decay
        λ.
    decayed
        How many parameters of the part, the first ones, decay; None: all.
    squares
        (1,), float64: gets factor·Σw² of these, before they move.
    """

    weight_decay: float = 0.0
    decayed: int | None = None
    squares: Array | None = None
    factor: float = 1.0


NO_DECAY = Decay()


class Optimizer(Protocol):
    """Moves parameters by their gradient, a part of the flat vector at a time."""

    def update(
        self,
        part: slice,
        parameters: Array,
        gradient: Array,
        clock: Clock,
        decay: Decay = NO_DECAY,
    ) -> None:
        """Move parameters[part] by their gradient, which is as long as the part, plus λ·w."""
        ...

    def through(self, ops: Ops) -> Optimizer:
        """Return an optimizer of the same state that works through other operations."""
        ...

    @property
    def vectors(self) -> dict[str, Array]:
        """What it remembers: vectors as long as the parameters."""
        ...


@dataclass(frozen=True, eq=False)
class Adam:
    """D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015."""

    ops: Ops
    first: Array
    second: Array

    def update(
        self,
        part: slice,
        parameters: Array,
        gradient: Array,
        clock: Clock,
        decay: Decay = NO_DECAY,
    ) -> None:
        """Move parameters[part]."""
        first, second = self.first[part], self.second[part]
        self.ops.adam(parameters[part], gradient, first, second, clock, *decay)

    def through(self, ops: Ops) -> Adam:
        """Return the same with other operations."""
        return replace(self, ops=ops)

    @property
    def vectors(self) -> dict[str, Array]:
        """Running means of the gradient and of its square."""
        return {"first": self.first, "second": self.second}


@dataclass(frozen=True, eq=False)
class SGD:
    """Gradient descent with (heavy-ball) momentum."""

    ops: Ops
    velocity: Array
    momentum: float

    def update(
        self,
        part: slice,
        parameters: Array,
        gradient: Array,
        clock: Clock,
        decay: Decay = NO_DECAY,
    ) -> None:
        """Move parameters[part]."""
        velocity = self.velocity[part]
        self.ops.sgd(parameters[part], gradient, velocity, self.momentum, clock, *decay)

    def through(self, ops: Ops) -> SGD:
        """Return the same with other operations."""
        return replace(self, ops=ops)

    @property
    def vectors(self) -> dict[str, Array]:
        """The velocity."""
        return {"velocity": self.velocity}


def all_finite(ops: Ops, vectors: Iterable[Array]) -> bool:
    """Whether every number of some flat vectors is finite."""
    total = ops.zeros((1,), "float64")
    for own in vectors:
        ops.add_absolute_sum(own.reshape(1, -1), total)
    return bool(np.isfinite(ops.to_host(total)).all())


def create_optimizer(ops: Ops, size: int, config: Config) -> Optimizer:
    """Return the optimizer of a mini-batch configuration with its state at zero."""

    def state() -> Array:
        return ops.zeros((size,), config.dtype)

    if config.optimizer == "sgd":
        return SGD(ops, state(), config.momentum)
    return Adam(ops, state(), state())


class LearningRate:
    """The rate of each step.

    `constant`; `cosine`: from full to zero, by the epoch; `warmup_cosine`: from zero up to full and
    down to zero again, by the step; `plateau`: halved after some epochs without gain.

    Parameters
    ----------
    epoch_steps
        Steps of an epoch.
    """

    PLATEAU_EPOCHS = 3
    PLATEAU_FACTOR = 0.5
    WARMUP_SHARE = 0.05
    PIECES = 100
    """In so many pieces of equal rate the steps of warmup_cosine are cut."""

    def __init__(self, config: Config, epoch_steps: int) -> None:
        self._rate = config.resolved("learning_rate")
        self._schedule, self._epochs = config.schedule, config.resolved("epochs")
        self._epoch_steps = epoch_steps
        self._reductions = 0
        self._best = math.inf
        self._waited = 0

    def of(self, step: int) -> tuple[float, int]:
        """Return the rate of a step, counted from 0 over all epochs, and for how many it holds.

        It may hold for fewer steps than are said: plateau looks again after each epoch.
        """
        epoch, place = divmod(step, self._epoch_steps)
        left = self._epoch_steps - place
        if self._schedule == "warmup_cosine":
            return self._warmup_cosine(step)
        if self._schedule == "cosine":
            return self._rate * _half_cosine(epoch / self._epochs), left
        return float(self._rate * self.PLATEAU_FACTOR**self._reductions), left

    def _warmup_cosine(self, step: int) -> tuple[float, int]:
        total = max(1, self._epochs * self._epoch_steps)
        piece = max(1, total // self.PIECES)
        start = step - step % piece
        end = min(start + piece, total)
        share = (start + end) / 2 / total
        warm = min(1.0, share / self.WARMUP_SHARE)
        return self._rate * warm * _half_cosine(share), end - step

    def state(self) -> State:
        """Return what a plateau is told by."""
        return {"plateau": np.array([self._best, self._waited, self._reductions])}

    def restore(self, state: State) -> None:
        """Go on from there."""
        best, waited, reductions = state["plateau"].tolist()
        self._best, self._waited, self._reductions = best, int(waited), int(reductions)

    def observe(self, loss: float) -> None:
        """Take in an epoch's (validation) loss; a plateau is some epochs without a gain."""
        if self._schedule != "plateau":
            return
        self._waited = 0 if loss < self._best else self._waited + 1
        self._best = min(self._best, loss)
        if self._waited >= self.PLATEAU_EPOCHS:
            self._reductions += 1
            self._waited = 0


def _half_cosine(share: float) -> float:
    """Return 1 at the start, 0 at the end."""
    return (1 + math.cos(math.pi * share)) / 2
