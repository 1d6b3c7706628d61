"""Fused loops over the rows of a tile, compiled once and cached, without the interpreter's lock.

Each kernel makes one pass over its matrix. Where a kernel depends on an activation or a loss there
is one compiled loop for each (`bias_activation("tanh")`), made of the functions in their records: a
choice inside the loop would keep it from vectorising. Losses are summed in the matrix's own type
over `PIECE` columns, whose sum is then added in float64: a conversion of every element would cost
as much as the sigmoid. A row's products are float64 throughout: squares leave float32's range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gpuae.backends import numba_math  # noqa: F401 what the functions of one element call
from gpuae.backends.numba_compile import PIECE, exact_kernel, inlined, kernel
from gpuae.backends.ops import RHO_FLOOR
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES


@inlined
def weight_of(row_weights: Any, row: int) -> Any:
    """Return the weight of a row: 1, a constant to the compiler, where rows have none."""
    return 1.0 if row_weights is None else np.float64(row_weights[row, 0])


# Forward


def _make_bias_activation(activate: Any) -> Any:
    @kernel
    def bias_activation(z: Any, bias: Any, preactivation: Any) -> None:
        # preactivation may be None, for which the compiler leaves its branch out
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                shifted = z[i, j] + bias[j]
                if preactivation is not None:
                    preactivation[i, j] = shifted
                z[i, j] = activate(shifted)

    return bias_activation


@kernel
def multiply(a: Any, mask: Any, out: Any) -> None:
    """Write a ∘ mask."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] * mask[i, j]


@kernel
def copy_columns(source: Any, first: int, out: Any, out_first: int, count: int) -> None:
    """Copy some columns to a place in another matrix."""
    for i in range(source.shape[0]):
        for j in range(count):
            out[i, out_first + j] = source[i, first + j]


@kernel
def add_column_sums(a: Any, sums: Any, row_weights: Any) -> None:
    """Add each column's sum, in float64."""
    for i in range(a.shape[0]):
        weight = weight_of(row_weights, i)
        for j in range(a.shape[1]):
            sums[j] += weight * np.float64(a[i, j])


@kernel
def add_absolute_sum(a: Any, total: Any, row_weights: Any) -> None:
    """Add Σ|a|, in float64."""
    size = 0.0
    for i in range(a.shape[0]):
        weight = weight_of(row_weights, i)
        for j in range(a.shape[1]):
            size += weight * np.float64(abs(a[i, j]))
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


def _make_output_loss(activate: Any, term: Any) -> Any:
    @kernel
    def output_loss(
        z: Any,
        bias: Any,
        target: Any,
        factor: float,
        parameter: Any,
        total: Any,
        row_weights: Any,
    ) -> None:
        value = 0.0
        for i in range(z.shape[0]):
            weight = weight_of(row_weights, i)
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted, offset = z[i, columns], target[i, columns], bias[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    own[j] = activate(own[j] + offset[j])
                    piece += term(own[j] - wanted[j], parameter)
                value += weight * np.float64(piece)
        total[0] += factor * value

    return output_loss


def _make_output_delta(activate: Any, derivative: Any, term: Any, slope: Any) -> Any:
    @kernel
    def output_delta(
        z: Any,
        bias: Any,
        target: Any,
        loss_factor: float,
        factor: Any,
        parameter: Any,
        total: Any,
        sums: Any,
        row_weights: Any,
    ) -> None:
        value = 0.0
        for i in range(z.shape[0]):
            weight = weight_of(row_weights, i)
            own_factor = factor * z.dtype.type(weight)
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted = z[i, columns], target[i, columns]
                offset, own_sums = bias[columns], sums[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    shifted = own[j] + offset[j]
                    a = activate(shifted)
                    error = a - wanted[j]
                    piece += term(error, parameter)
                    delta = slope(error, parameter) * derivative(shifted, a) * own_factor
                    own[j] = delta
                    own_sums[j] += delta
                value += weight * np.float64(piece)
        total[0] += loss_factor * value

    return output_delta


def _make_own_output_loss(outcome: Any) -> Any:
    @kernel
    def own_output_loss(
        z: Any,
        bias: Any,
        target: Any,
        factor: float,
        parameter: Any,
        total: Any,
        row_weights: Any,
    ) -> None:
        value = 0.0
        for i in range(z.shape[0]):
            weight = weight_of(row_weights, i)
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted, offset = z[i, columns], target[i, columns], bias[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    own[j], term = outcome(own[j] + offset[j], wanted[j], parameter)
                    piece += term
                value += weight * np.float64(piece)
        total[0] += factor * value

    return own_output_loss


def _make_own_output_delta(outcome: Any) -> Any:
    @kernel
    def own_output_delta(
        z: Any,
        bias: Any,
        target: Any,
        loss_factor: float,
        factor: Any,
        parameter: Any,
        total: Any,
        sums: Any,
        row_weights: Any,
    ) -> None:
        value = 0.0
        for i in range(z.shape[0]):
            weight = weight_of(row_weights, i)
            own_factor = factor * z.dtype.type(weight)
            for start in range(0, z.shape[1], PIECE):
                columns = slice(start, start + PIECE)
                own, wanted = z[i, columns], target[i, columns]
                offset, own_sums = bias[columns], sums[columns]
                piece = z.dtype.type(0)
                for j in range(own.size):
                    a, term = outcome(own[j] + offset[j], wanted[j], parameter)
                    piece += term
                    delta = (a - wanted[j]) * own_factor
                    own[j] = delta
                    own_sums[j] += delta
                value += weight * np.float64(piece)
        total[0] += loss_factor * value

    return own_output_delta


def _make_row_output_loss(activate: Any, row: Any) -> Any:
    @kernel
    def row_output_loss(
        z: Any,
        bias: Any,
        target: Any,
        factor: float,
        parameter: Any,
        total: Any,
        row_weights: Any,
    ) -> None:
        value = 0.0
        for i in range(z.shape[0]):
            product = own_size = size = 0.0
            for j in range(z.shape[1]):
                z[i, j] = activate(z[i, j] + bias[j])
                a, wanted = np.float64(z[i, j]), np.float64(target[i, j])
                product += a * wanted
                own_size += a * a
                size += wanted * wanted
            value += weight_of(row_weights, i) * row(product, own_size, size, parameter)[0]
        total[0] += factor * value

    return row_output_loss


def _make_row_output_delta(activate: Any, derivative: Any, row: Any) -> Any:
    @kernel
    def row_output_delta(
        z: Any,
        bias: Any,
        target: Any,
        loss_factor: float,
        factor: Any,
        parameter: Any,
        total: Any,
        sums: Any,
        row_weights: Any,
    ) -> None:
        number = z.dtype.type
        value = 0.0
        for i in range(z.shape[0]):
            product = own_size = size = 0.0
            for j in range(z.shape[1]):
                z[i, j] += bias[j]
                a, wanted = np.float64(activate(z[i, j])), np.float64(target[i, j])
                product += a * wanted
                own_size += a * a
                size += wanted * wanted
            term, of_target, of_output = row(product, own_size, size, parameter)
            weight = weight_of(row_weights, i)
            own_factor = factor * number(weight)
            value += weight * term
            for j in range(z.shape[1]):
                a = activate(z[i, j])
                error = of_target * np.float64(target[i, j]) + of_output * np.float64(a)
                delta = number(error) * derivative(z[i, j], a) * own_factor
                z[i, j] = delta
                sums[j] += delta
        total[0] += loss_factor * value

    return row_output_delta


@exact_kernel
def kl_slope(
    code_sums: Any,
    rows: int,
    weight_sum: Any,
    rho: float,
    beta: float,
    signed: bool,
    slope: Any,
    total: Any,
) -> None:
    """Add m·β Σ KL(ρ‖ρ̂) and write its derivative by a unit; `signed` for tanh's (a + 1)/2."""
    unit = 0.5 if signed else 1.0
    weight = np.float64(rows) if weight_sum is None else weight_sum[0]
    divergence = 0.0
    for j in range(code_sums.size):
        rho_hat = code_sums[j] / weight
        if signed:
            rho_hat = (rho_hat + 1.0) / 2.0
        rho_hat = RHO_FLOOR if rho_hat < RHO_FLOOR else rho_hat
        rho_hat = 1.0 - RHO_FLOOR if rho_hat > 1.0 - RHO_FLOOR else rho_hat
        slope[j] = unit * beta * (-rho / rho_hat + (1.0 - rho) / (1.0 - rho_hat)) / weight
        divergence += rho * math.log(rho / rho_hat)
        divergence += (1.0 - rho) * math.log((1.0 - rho) / (1.0 - rho_hat))
    total[0] += rows * beta * divergence


def _make_hidden_delta(derivative: Any) -> Any:
    @kernel
    def hidden_delta(
        delta: Any,
        z: Any,
        a: Any,
        mask: Any,
        slope: Any,
        l1: Any,
        sums: Any,
        row_weights: Any,
    ) -> None:
        # mask, slope and l1 may be None, for which the compiler leaves their branch out
        for i in range(delta.shape[0]):
            weight = delta.dtype.type(weight_of(row_weights, i))
            for j in range(delta.shape[1]):
                value = delta[i, j]
                if mask is not None:
                    value *= mask[i, j]
                if slope is not None:
                    value += weight * slope[j]
                if l1 is not None:
                    size = weight * l1
                    value += size if a[i, j] > 0 else (-size if a[i, j] < 0 else a[i, j])
                value *= derivative(z[i, j], a[i, j])
                delta[i, j] = value
                sums[j] += value

    return hidden_delta


def bias_activation(activation: str) -> Any:
    """Return the loop of an activation."""
    return made_of(_make_bias_activation, ACTIVATIONS[activation].compiled_value)


def hidden_delta(activation: str) -> Any:
    """Return the loop of an activation."""
    return made_of(_make_hidden_delta, ACTIVATIONS[activation].compiled_derivative)


def output_loss(activation: str, loss: str) -> Any:
    """Return the loop of a loss with the output's activation."""
    own = LOSSES[loss]
    if own.compiled_outcome is not None:
        return made_of(_make_own_output_loss, own.compiled_outcome)
    if own.compiled_row is not None:
        activate = ACTIVATIONS[activation].compiled_value
        return made_of(_make_row_output_loss, activate, own.compiled_row)
    return made_of(_make_output_loss, ACTIVATIONS[activation].compiled_value, own.compiled_term)


def output_delta(activation: str, loss: str) -> Any:
    """Return the loop of a loss with the output's activation."""
    f, own = ACTIVATIONS[activation], LOSSES[loss]
    if own.compiled_outcome is not None:
        return made_of(_make_own_output_delta, own.compiled_outcome)
    both = f.compiled_value, f.compiled_derivative
    if own.compiled_row is not None:
        return made_of(_make_row_output_delta, *both, own.compiled_row)
    return made_of(_make_output_delta, *both, own.compiled_term, own.compiled_error)


@cache
def made_of(make: Callable[..., Any], *functions: Callable[..., Any]) -> Any:
    """Make a loop of functions of one element; losses that share these share the loop."""
    return make(*map(_element, functions))


_element = cache(inlined)
