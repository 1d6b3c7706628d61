"""Kernels over the flat vector: gradients summed, parameters moved, and the algebra of lbfgs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuae.backends.numba_compile import PIECE, kernel
from gpuae.backends.ops import ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, START, STEP


@kernel
def sum_lanes(lanes: Any, start: int, out: Any) -> None:
    """Sum lanes in their order, from column `start` on."""
    stop = start + out.size
    out[:] = lanes[0, start:stop]
    for lane in range(1, lanes.shape[0]):
        own = lanes[lane, start:stop]
        for i in range(out.size):
            out[i] += own[i]


@kernel
def fill(array: Any, value: Any) -> None:
    """Set every element."""
    array[:] = value


@kernel
def advance(counters: Any, count: int) -> None:
    """Count a step and move on by `count` rows."""
    counters[START] += count
    counters[STEP] += 1


@kernel
def add_squares(x: Any, factor: float, total: Any) -> None:
    """Add factor·Σx²."""
    squares = 0.0
    for start in range(0, x.size, PIECE):
        own, piece = x[start : start + PIECE], x.dtype.type(0)
        for i in range(own.size):
            piece += own[i] * own[i]
        squares += np.float64(piece)
    total[0] += factor * squares


@kernel
def dot(x: Any, y: Any) -> float:
    """Return Σ x·y in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(y[i])
    return total


@kernel
def axpby(alpha: Any, x: Any, beta: Any, y: Any) -> None:
    """Write alpha·x + beta·y into y; with beta = 0 the old y is not read."""
    if beta == 0:
        for i in range(x.size):
            y[i] = alpha * x[i]
    else:
        for i in range(x.size):
            y[i] = alpha * x[i] + beta * y[i]


@kernel
def adam(
    parameters: Any, gradient: Any, first: Any, second: Any, counters: Any, rate: Any, decay: Any
) -> None:
    """Make one step of D. Kingma, J. Ba, "Adam", 2015, algorithm 1; decay may be None."""
    number = parameters.dtype.type
    step = counters[STEP]
    beta_1, rest_1 = number(ADAM_BETA_1), number(1.0 - ADAM_BETA_1)
    beta_2, rest_2 = number(ADAM_BETA_2), number(1.0 - ADAM_BETA_2)
    mean_rate = number(rate[0] / (1.0 - ADAM_BETA_1**step))
    variance_factor = number(1.0 / (1.0 - ADAM_BETA_2**step))
    epsilon = number(ADAM_EPSILON)
    for i in range(parameters.size):
        slope = gradient[i] if decay is None else gradient[i] + decay * parameters[i]
        first[i] = beta_1 * first[i] + rest_1 * slope
        second[i] = beta_2 * second[i] + rest_2 * (slope * slope)
        deviation = np.sqrt(second[i] * variance_factor)
        parameters[i] -= mean_rate * first[i] / (deviation + epsilon)


@kernel
def sgd(
    parameters: Any, gradient: Any, velocity: Any, momentum: float, rate: Any, decay: Any
) -> None:
    """Make one step of gradient descent with momentum; decay may be None."""
    number = parameters.dtype.type
    factor, step = number(momentum), number(rate[0])
    for i in range(parameters.size):
        slope = gradient[i] if decay is None else gradient[i] + decay * parameters[i]
        velocity[i] = factor * velocity[i] - step * slope
        parameters[i] += velocity[i]
