"""Fused loops over the rows of a tile, compiled once and cached, without the interpreter's lock.

Each kernel makes one pass over its matrix. Where a kernel depends on an activation there is one
compiled loop for each (`BIAS_ACTIVATION["tanh"]`): a choice inside the loop would keep it from
vectorising. For the same reason a row's column sums are a loop of their own: the row is still in
the first-level cache.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.extending import register_jitable

from gpuae.backends.numba_math import exp, log1p_unit, tanh
from gpuae.backends.ops import (
    ADAM_BETA_1,
    ADAM_BETA_2,
    ADAM_EPSILON,
    LEAKY_SLOPE,
    RHO_FLOOR,
    STEP,
)

F = TypeVar("F", bound=Callable[..., Any])


def _sources_state() -> str:
    """Return a hash of this package's sources."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


_STATE = _sources_state()


def kernel(function: F) -> F:
    """Compile for speed: sums may be reordered; NaN and infinity stay what they are.

    Numba's cache on disk would notice a change of the function's own file only, not of those whose
    functions are compiled into it. So the name that the cache knows it by has all of them in it.
    """
    function.__qualname__ = f"{function.__qualname__}_{_STATE}"
    options: dict[str, Any] = {
        "nogil": True,
        "cache": True,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "nsz"},
    }
    compiled: F = njit(**options)(function)
    return compiled


def compiled_before() -> bool:
    """Whether the cache on disk has code from these sources."""
    dispatcher: Any = dot
    return any(Path(dispatcher.stats.cache_path).glob(f"*{_STATE}*.nbi"))


def elementwise(function: F) -> F:
    """Make a function of one element available to kernels."""
    registered: F = register_jitable(error_model="numpy", fastmath={"contract"})(function)
    return registered


# Activations f(z), and their derivatives in terms of a = f(z)


@elementwise
def sigmoid(z: Any) -> Any:
    """Return 1/(1 + e⁻ᶻ)."""
    return type(z)(1) / (type(z)(1) + exp(-z))


@elementwise
def sigmoid_derivative(a: Any) -> Any:
    """Return a(1 − a)."""
    return a * (type(a)(1) - a)


@elementwise
def hyperbolic_tangent(z: Any) -> Any:
    """Return tanh z."""
    return tanh(z)


@elementwise
def tanh_derivative(a: Any) -> Any:
    """Return 1 − a²."""
    return type(a)(1) - a * a


@elementwise
def relu(z: Any) -> Any:
    """Return max(z, 0); NaN stays NaN."""
    return type(z)(0) if z < 0 else z


@elementwise
def relu_derivative(a: Any) -> Any:
    """Return 1 where a > 0."""
    return type(a)(1) if a > 0 else type(a)(0)


@elementwise
def leaky_relu(z: Any) -> Any:
    """Return z where z > 0, else 0.01·z."""
    return z if z > 0 else type(z)(LEAKY_SLOPE) * z


@elementwise
def leaky_relu_derivative(a: Any) -> Any:
    """Return 1 where a > 0, else 0.01."""
    return type(a)(1) if a > 0 else type(a)(LEAKY_SLOPE)


@elementwise
def identity(z: Any) -> Any:
    """Return z."""
    return z


@elementwise
def identity_derivative(a: Any) -> Any:
    """Return 1."""
    return type(a)(1)


ACTIVATIONS = {
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (hyperbolic_tangent, tanh_derivative),
    "relu": (relu, relu_derivative),
    "leaky_relu": (leaky_relu, leaky_relu_derivative),
    "identity": (identity, identity_derivative),
}


# Forward


def _make_bias_activation(activate: Any) -> Any:
    @kernel
    def bias_activation(z: Any, bias: Any) -> None:
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                z[i, j] = activate(z[i, j] + bias[j])

    return bias_activation


@kernel
def topk_mask(a: Any, k: int, mask: Any) -> None:
    """Keep the k best columns of a row so far, best first, ties in column order."""
    best = np.empty(k, np.int64)
    for i in range(a.shape[0]):
        count = 0
        for j in range(a.shape[1]):
            mask[i, j] = 0
            if count == k and not a[i, j] > a[i, best[k - 1]]:
                continue
            place = count if count < k else k - 1
            while place > 0 and a[i, j] > a[i, best[place - 1]]:
                best[place] = best[place - 1]
                place -= 1
            best[place] = j
            count = min(count + 1, k)
        for place in range(count):
            mask[i, best[place]] = 1


@kernel
def multiply(a: Any, mask: Any, out: Any) -> None:
    """Write a ∘ mask."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] * mask[i, j]


@kernel
def add_column_sums(a: Any, sums: Any) -> None:
    """Add each column's sum, in float64."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            sums[j] += np.float64(a[i, j])


@kernel
def add_absolute_sum(a: Any, total: Any) -> None:
    """Add Σ|a|, in float64."""
    size = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            size += np.float64(abs(a[i, j]))
    total[0] += size


@kernel
def row_errors(output: Any, target: Any, errors: Any) -> None:
    """Write each row's mean of (x̂ − x)²."""
    for i in range(output.shape[0]):
        squares = 0.0
        for j in range(output.shape[1]):
            error = np.float64(output[i, j]) - np.float64(target[i, j])
            squares += error * error
        errors[i] = squares / output.shape[1]


# Objective and backward


def _make_output_loss(activate: Any) -> Any:
    @kernel
    def output_loss(z: Any, bias: Any, target: Any, factor: float, total: Any) -> None:
        squares = 0.0
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                z[i, j] = activate(z[i, j] + bias[j])
                squares += np.float64((z[i, j] - target[i, j]) ** 2)
        total[0] += factor * squares

    return output_loss


@elementwise
def cross_entropy(logit: Any, target: Any) -> Any:
    """Return σ(z) and its cross-entropy with x, max(z, 0) − z·x + ln(1 + e⁻|ᶻ|), from one eˣ."""
    one = type(logit)(1)
    small = exp(-abs(logit))
    probability = (one if logit > 0 else small) / (one + small)
    positive = type(logit)(0) if logit < 0 else logit
    return probability, positive - logit * target + log1p_unit(small)


def _make_output_delta(activate: Any, derivative: Any) -> Any:
    @kernel
    def output_delta(
        z: Any, bias: Any, target: Any, loss_factor: float, factor: Any, total: Any, sums: Any
    ) -> None:
        squares = 0.0
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                a = activate(z[i, j] + bias[j])
                error = a - target[i, j]
                squares += np.float64(error * error)
                z[i, j] = error * derivative(a) * factor
            for j in range(z.shape[1]):
                sums[j] += z[i, j]
        total[0] += loss_factor * squares

    return output_delta


@kernel
def cross_entropy_loss(z: Any, bias: Any, target: Any, factor: float, total: Any) -> None:
    """Replace z by σ(z + bias); add factor·Σ cross-entropy."""
    entropy = 0.0
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            probability, bits = cross_entropy(z[i, j] + bias[j], target[i, j])
            entropy += np.float64(bits)
            z[i, j] = probability
    total[0] += factor * entropy


@kernel
def cross_entropy_delta(
    z: Any, bias: Any, target: Any, loss_factor: float, factor: Any, total: Any, sums: Any
) -> None:
    """Replace z by factor·(σ(z + bias) − x); add loss_factor·Σ cross-entropy and column sums."""
    entropy = 0.0
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            probability, bits = cross_entropy(z[i, j] + bias[j], target[i, j])
            entropy += np.float64(bits)
            z[i, j] = (probability - target[i, j]) * factor
        for j in range(z.shape[1]):
            sums[j] += z[i, j]
    total[0] += loss_factor * entropy


@kernel
def kl_slope(
    code_sums: Any, rows: int, rho: float, beta: float, signed: bool, slope: Any, total: Any
) -> None:
    """Add m·β Σ KL(ρ‖ρ̂) and write its derivative by a unit; `signed` for tanh's (a + 1)/2."""
    unit = 0.5 if signed else 1.0
    divergence = 0.0
    for j in range(code_sums.size):
        rho_hat = code_sums[j] / rows
        if signed:
            rho_hat = (rho_hat + 1.0) / 2.0
        rho_hat = RHO_FLOOR if rho_hat < RHO_FLOOR else rho_hat
        rho_hat = 1.0 - RHO_FLOOR if rho_hat > 1.0 - RHO_FLOOR else rho_hat
        slope[j] = unit * beta * (-rho / rho_hat + (1.0 - rho) / (1.0 - rho_hat)) / rows
        divergence += rho * math.log(rho / rho_hat)
        divergence += (1.0 - rho) * math.log((1.0 - rho) / (1.0 - rho_hat))
    total[0] += rows * beta * divergence


def _make_hidden_delta(derivative: Any) -> Any:
    @kernel
    def hidden_delta(delta: Any, a: Any, mask: Any, slope: Any, l1: Any, sums: Any) -> None:
        # mask, slope and l1 may be None, for which the compiler leaves their branch out
        for i in range(delta.shape[0]):
            for j in range(delta.shape[1]):
                value = delta[i, j]
                if mask is not None:
                    value *= mask[i, j]
                if slope is not None:
                    value += slope[j]
                if l1 is not None:
                    value += l1 if a[i, j] > 0 else (-l1 if a[i, j] < 0 else a[i, j])
                delta[i, j] = value * derivative(a[i, j])
            for j in range(delta.shape[1]):
                sums[j] += delta[i, j]

    return hidden_delta


# Parameters


@kernel
def total_gradient(
    lanes: Any, start: int, stop: int, parameters: Any, decay: Any, decayed: int, out: Any
) -> None:
    """Sum lanes in their order, from start to stop; add decay·w before the entry `decayed`."""
    total = out[start:stop]
    total[:] = lanes[0, start:stop]
    for lane in range(1, lanes.shape[0]):
        own = lanes[lane, start:stop]
        for i in range(total.size):
            total[i] += own[i]
    for i in range(decayed - start):
        total[i] += decay * parameters[start + i]


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
def adam(parameters: Any, gradient: Any, first: Any, second: Any, counters: Any, rate: Any) -> None:
    """Make one step of D. Kingma, J. Ba, "Adam", 2015, algorithm 1."""
    number = parameters.dtype.type
    step = counters[STEP] + 1
    beta_1, rest_1 = number(ADAM_BETA_1), number(1.0 - ADAM_BETA_1)
    beta_2, rest_2 = number(ADAM_BETA_2), number(1.0 - ADAM_BETA_2)
    mean_rate = number(rate[0] / (1.0 - ADAM_BETA_1**step))
    variance_factor = number(1.0 / (1.0 - ADAM_BETA_2**step))
    epsilon = number(ADAM_EPSILON)
    for i in range(parameters.size):
        first[i] = beta_1 * first[i] + rest_1 * gradient[i]
        second[i] = beta_2 * second[i] + rest_2 * (gradient[i] * gradient[i])
        deviation = np.sqrt(second[i] * variance_factor)
        parameters[i] -= mean_rate * first[i] / (deviation + epsilon)


@kernel
def sgd(parameters: Any, gradient: Any, velocity: Any, momentum: float, rate: Any) -> None:
    """Make one step of gradient descent with momentum."""
    number = parameters.dtype.type
    factor, step = number(momentum), number(rate[0])
    for i in range(parameters.size):
        velocity[i] = factor * velocity[i] - step * gradient[i]
        parameters[i] += velocity[i]


BIAS_ACTIVATION = {name: _make_bias_activation(f) for name, (f, _) in ACTIVATIONS.items()}
OUTPUT_LOSS = {name: _make_output_loss(f) for name, (f, _) in ACTIVATIONS.items()}
OUTPUT_DELTA = {name: _make_output_delta(f, slope) for name, (f, slope) in ACTIVATIONS.items()}
HIDDEN_DELTA = {name: _make_hidden_delta(slope) for name, (_, slope) in ACTIVATIONS.items()}
