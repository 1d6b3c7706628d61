"""Fused loops over the rows of a tile, compiled once and cached, without the interpreter's lock.

Each kernel makes one pass over its matrix. Where a kernel depends on an activation there is one
compiled loop for each (`BIAS_ACTIVATION["tanh"]`): a choice inside the loop would keep it from
vectorising. Losses are summed in the matrix's own type over `PIECE` columns, whose sum is then
added in float64: a conversion of every element would cost as much as the sigmoid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuae.backends.numba_activations import ACTIVATIONS
from gpuae.backends.numba_compile import PIECE, elementwise, kernel
from gpuae.backends.numba_math import exp, log1p_unit
from gpuae.backends.ops import RHO_FLOOR

# Forward


def _make_bias_activation(activate: Any) -> Any:
    @kernel
    def bias_activation(z: Any, bias: Any) -> None:
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                z[i, j] = activate(z[i, j] + bias[j])

    return bias_activation


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
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted, offset = z[i, columns], target[i, columns], bias[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    own[j] = activate(own[j] + offset[j])
                    piece += (own[j] - wanted[j]) ** 2
                squares += np.float64(piece)
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
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted = z[i, columns], target[i, columns]
                offset, own_sums = bias[columns], sums[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    a = activate(own[j] + offset[j])
                    error = a - wanted[j]
                    piece += error * error
                    delta = error * derivative(a) * factor
                    own[j] = delta
                    own_sums[j] += delta
                squares += np.float64(piece)
        total[0] += loss_factor * squares

    return output_delta


@kernel
def cross_entropy_loss(z: Any, bias: Any, target: Any, factor: float, total: Any) -> None:
    """Replace z by σ(z + bias); add factor·Σ cross-entropy."""
    entropy = 0.0
    for i in range(z.shape[0]):
        for start in range(0, z.shape[1], PIECE):
            columns = slice(start, start + PIECE)
            own, wanted, offset = z[i, columns], target[i, columns], bias[columns]
            piece = z.dtype.type(0)
            for j in range(own.size):
                own[j], nats = cross_entropy(own[j] + offset[j], wanted[j])
                piece += nats
            entropy += np.float64(piece)
    total[0] += factor * entropy


@kernel
def cross_entropy_delta(
    z: Any, bias: Any, target: Any, loss_factor: float, factor: Any, total: Any, sums: Any
) -> None:
    """Replace z by factor·(σ(z + bias) − x); add loss_factor·Σ cross-entropy and column sums."""
    entropy = 0.0
    for i in range(z.shape[0]):
        for start in range(0, z.shape[1], PIECE):
            columns = slice(start, start + PIECE)
            own, wanted = z[i, columns], target[i, columns]
            offset, own_sums = bias[columns], sums[columns]
            piece = z.dtype.type(0)
            for j in range(own.size):
                probability, nats = cross_entropy(own[j] + offset[j], wanted[j])
                piece += nats
                delta = (probability - wanted[j]) * factor
                own[j] = delta
                own_sums[j] += delta
            entropy += np.float64(piece)
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
                value *= derivative(a[i, j])
                delta[i, j] = value
                sums[j] += value

    return hidden_delta


BIAS_ACTIVATION = {name: _make_bias_activation(f) for name, (f, _) in ACTIVATIONS.items()}
OUTPUT_LOSS = {name: _make_output_loss(f) for name, (f, _) in ACTIVATIONS.items()}
OUTPUT_DELTA = {name: _make_output_delta(f, slope) for name, (f, slope) in ACTIVATIONS.items()}
HIDDEN_DELTA = {name: _make_hidden_delta(slope) for name, (_, slope) in ACTIVATIONS.items()}
