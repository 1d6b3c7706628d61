"""The definition: every operation in the clearest NumPy. `device=numpy` runs it, slowly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gpuae.backends import philox
from gpuae.backends.ops import (
    ADAM_BETA_1,
    ADAM_BETA_2,
    ADAM_EPSILON,
    EPOCH,
    RHO_FLOOR,
    ROW_BASE,
    START,
    STEP,
    Clock,
    Corruption,
    Recorder,
    Rows,
    Scaling,
)
from gpuae.backends.python_program import PythonRecorder
from gpuae.config import Activation, Loss
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES

Matrix = NDArray[Any]


class NumpyOps:
    """`Ops` on NumPy arrays; see the protocol for what each operation does."""

    name = "numpy"

    def recorders(self, threads: int, barrier: Callable[[], object]) -> list[Recorder]:
        return [PythonRecorder(self, barrier) for _ in range(threads)]

    def session(self) -> AbstractContextManager[object]:
        """Keep BLAS to one thread, so that results do not depend on their number."""
        limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
        return limits

    def empty(self, shape: tuple[int, ...], dtype: str) -> Matrix:
        return np.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Matrix:
        return np.zeros(shape, dtype)

    def asarray(self, host: Matrix) -> Matrix:
        return np.ascontiguousarray(host)

    def assign(self, target: Matrix, host: Matrix) -> None:
        target[...] = host

    def to_host(self, array: Matrix) -> Matrix:
        return array.copy()

    def fill(self, array: Matrix, value: float) -> None:
        array.fill(value)

    def start_epoch(self, clock: Clock, epoch: int, rate: float, row_base: int) -> None:
        clock.counters[EPOCH] = epoch
        clock.counters[ROW_BASE] = row_base
        clock.counters[START] = 0
        clock.rate[0] = rate

    def advance(self, clock: Clock, count: int) -> None:
        clock.counters[START] += count
        clock.counters[STEP] += 1

    def gemm(
        self,
        a: Matrix,
        b: Matrix,
        out: Matrix,
        transpose_a: bool = False,
        transpose_b: bool = False,
        accumulate: bool = False,
    ) -> None:
        product = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
        out[...] = out + product if accumulate else product

    def gather(self, rows: Rows, source: Matrix, scaling: Scaling, out: Matrix) -> None:
        x = source[_positions(rows)].astype(scaling.center.dtype)
        out[...] = np.clip((x - scaling.center) * scaling.factor, scaling.low, scaling.high)

    def corrupt(self, rows: Rows, x: Matrix, noise: Corruption, out: Matrix) -> None:
        out[...] = _CORRUPTIONS[noise.kind](x, _noise_words(rows, x.shape[1], noise), noise)

    def gather_corrupt(
        self,
        rows: Rows,
        source: Matrix,
        scaling: Scaling,
        noise: Corruption,
        out: Matrix,
        noisy: Matrix,
    ) -> None:
        self.gather(rows, source, scaling, out)
        self.corrupt(rows, out, noise, noisy)

    def normalize_rows(self, x: Matrix, total: float) -> None:
        sums = x.sum(axis=1, dtype=np.float64, keepdims=True)
        x *= (total / np.where(sums == 0, total, sums)).astype(x.dtype)

    def log1p(self, x: Matrix, center: Matrix, out: Matrix) -> None:
        out[...] = np.log1p(x) - center

    def unscale(self, x: Matrix, scaling: Scaling, out: Matrix) -> None:
        out[...] = x / scaling.factor + scaling.center

    def bias_activation(
        self, z: Matrix, bias: Matrix, activation: Activation, preactivation: Matrix | None = None
    ) -> None:
        shifted = z + bias
        z[...] = ACTIVATIONS[activation].value(shifted)
        if preactivation is not None:
            preactivation[...] = shifted

    def bias_activation_dropout(
        self,
        rows: Rows,
        z: Matrix,
        bias: Matrix,
        activation: Activation,
        layer: int,
        rate: float,
        seed: int,
        mask: Matrix,
        out: Matrix,
        preactivation: Matrix | None = None,
    ) -> None:
        self.bias_activation(z, bias, activation, preactivation)
        self.dropout_mask(rows, layer, rate, seed, mask, combine=False)
        self.multiply(z, mask, out)

    def topk_mask(self, a: Matrix, k: int, mask: Matrix) -> None:
        mask.fill(0)
        np.put_along_axis(mask, _largest(a, k), 1, axis=1)

    def dropout_mask(
        self, rows: Rows, layer: int, rate: float, seed: int, mask: Matrix, combine: bool
    ) -> None:
        epoch = int(rows.clock.counters[EPOCH])
        purpose = philox.Purpose.DROPOUT
        drawn = philox.words(seed, purpose, _numbers(rows), mask.shape[1], epoch, layer)
        kept = np.where(drawn < philox.threshold(rate), 0, 1 / (1 - rate)).astype(mask.dtype)
        mask[...] = mask * kept if combine else kept

    def multiply(self, a: Matrix, mask: Matrix, out: Matrix) -> None:
        out[...] = a * mask

    def copy_columns(
        self, source: Matrix, first: int, out: Matrix, out_first: int, count: int
    ) -> None:
        out[:, out_first : out_first + count] = source[:, first : first + count]

    def add_column_sums(self, a: Matrix, sums: Matrix, row_weights: Matrix | None = None) -> None:
        sums += _weighted(a, row_weights).sum(axis=0, dtype=np.float64)

    def add_absolute_sum(self, a: Matrix, total: Matrix, row_weights: Matrix | None = None) -> None:
        total += np.abs(_weighted(a, row_weights)).sum(dtype=np.float64)

    def row_errors(self, output: Matrix, target: Matrix, errors: Matrix) -> None:
        errors[...] = ((output.astype(np.float64) - target) ** 2).mean(axis=1)

    def output_loss(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix,
        activation: Activation,
        loss: Loss,
        total: Matrix,
        parameter: float = 0.0,
        row_weights: Matrix | None = None,
    ) -> None:
        shifted = z + bias
        z[...] = ACTIVATIONS[activation].value(shifted)
        total += LOSSES[loss].value(shifted, z, target, parameter, row_weights)

    def output_delta(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix,
        activation: Activation,
        loss: Loss,
        rows_of_step: int,
        total: Matrix,
        bias_gradient: Matrix,
        accumulate: bool,
        parameter: float = 0.0,
        row_weights: Matrix | None = None,
    ) -> None:
        own, shifted = LOSSES[loss], z + bias
        self.output_loss(z, bias, target, activation, loss, total, parameter, row_weights)
        factor = z.dtype.type(own.delta_factor(z.shape[1]) / rows_of_step)
        slope = 1 if own.output else ACTIVATIONS[activation].derivative(shifted, z)
        z[...] = _weighted(own.errors(z, target, parameter) * slope * factor, row_weights)
        _add_bias_gradient(z, bias_gradient, accumulate)

    def softmax(self, z: Matrix, bias: Matrix) -> None:
        z[...] = _softmax(z + bias)[0]

    def softmax_loss(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix,
        total: Matrix,
        row_weights: Matrix | None = None,
    ) -> None:
        z[...], losses = _softmax(z + bias, _weighted(target, row_weights))
        total += losses.sum()

    def softmax_delta(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix,
        rows_of_step: int,
        total: Matrix,
        bias_gradient: Matrix,
        accumulate: bool,
        row_weights: Matrix | None = None,
    ) -> None:
        target = _weighted(target, row_weights)
        probability, losses = _softmax(z + bias, target)
        total += losses.sum()
        weight = target.sum(axis=1, keepdims=True, dtype=np.float64)
        z[...] = (weight * probability - target) / rows_of_step
        _add_bias_gradient(z, bias_gradient, accumulate)

    def kl_slope(
        self,
        code_sums: Matrix,
        rows_of_step: int,
        rho: float,
        beta: float,
        activation: Activation,
        slope: Matrix,
        total: Matrix,
        weight_sum: Matrix | None = None,
    ) -> None:
        weight = rows_of_step if weight_sum is None else weight_sum[0]
        mean = code_sums / weight
        signed = ACTIVATIONS[activation].signed
        rho_hat = (mean + 1) / 2 if signed else mean
        rho_hat = np.clip(rho_hat, RHO_FLOOR, 1 - RHO_FLOOR)
        unit = 0.5 if signed else 1.0
        slope[...] = unit * beta * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)) / weight
        divergence = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
        total += rows_of_step * beta * divergence.sum()

    def hidden_delta(
        self,
        delta: Matrix,
        a: Matrix,
        mask: Matrix | None,
        slope: Matrix | None,
        l1: float,
        activation: Activation,
        bias_gradient: Matrix,
        accumulate: bool,
        preactivation: Matrix | None = None,
        row_weights: Matrix | None = None,
    ) -> None:
        if mask is not None:
            delta *= mask
        if slope is not None:
            delta += _weighted(np.broadcast_to(slope, delta.shape), row_weights)
        if l1:
            delta += _weighted(delta.dtype.type(l1) * np.sign(a), row_weights)
        delta *= ACTIVATIONS[activation].derivative(
            a if preactivation is None else preactivation, a
        )
        _add_bias_gradient(delta, bias_gradient, accumulate)

    def sum_lanes(self, lanes: Matrix, place: slice, out: Matrix) -> None:
        out[...] = lanes[0, place]
        for lane in lanes[1:]:
            out += lane[place]

    def topk(self, a: Matrix, k: int, indices: Matrix, values: Matrix) -> None:
        indices[...] = np.sort(_largest(a, k), axis=1)
        values[...] = np.take_along_axis(a, indices, axis=1)

    def sparse_product(self, indices: Matrix, values: Matrix, w: Matrix, out: Matrix) -> None:
        for own, value, row in zip(indices, values, out, strict=True):
            row[...] = value @ w[own]

    def sparse_delta(self, indices: Matrix, delta_next: Matrix, w: Matrix, out: Matrix) -> None:
        for own, delta, row in zip(indices, delta_next, out, strict=True):
            row[...] = w[own] @ delta

    def sparse_hidden_delta(
        self,
        delta: Matrix,
        a: Matrix,
        indices: Matrix,
        activation: Activation,
        bias_gradient: Matrix,
        accumulate: bool,
    ) -> None:
        delta *= ACTIVATIONS[activation].derivative(a, a)
        if not accumulate:
            bias_gradient.fill(0)
        np.add.at(bias_gradient, indices, delta)

    def sparse_outer_rows(
        self,
        indices: Matrix,
        values: Matrix,
        delta_next: Matrix,
        rows: slice,
        out: Matrix,
        accumulate: bool,
    ) -> None:
        if not accumulate:
            out.fill(0)
        for own, value, delta in zip(indices, values, delta_next, strict=True):
            here = (own >= rows.start) & (own < rows.stop)
            out[own[here] - rows.start] += np.outer(value[here], delta)

    def sparse_outer_columns(
        self,
        inputs: Matrix,
        indices: Matrix,
        delta: Matrix,
        rows: slice,
        out: Matrix,
        accumulate: bool,
    ) -> None:
        if not accumulate:
            out.fill(0)
        for own, value, row in zip(indices, delta, inputs, strict=True):
            out[:, own] += np.outer(row[rows], value)

    def add_squares(self, x: Matrix, factor: float, total: Matrix) -> None:
        total += factor * self.dot(x, x)

    def adam(
        self,
        parameters: Matrix,
        gradient: Matrix,
        first: Matrix,
        second: Matrix,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Matrix | None = None,
        factor: float = 1.0,
    ) -> None:
        weights = parameters[:decayed]
        if squares is not None:
            self.add_squares(weights, factor, squares)
        gradient = gradient.copy()
        gradient[:decayed] += gradient.dtype.type(weight_decay) * weights
        step = int(clock.counters[STEP])
        rate = float(clock.rate[0])
        first[...] = ADAM_BETA_1 * first + (1 - ADAM_BETA_1) * gradient
        second[...] = ADAM_BETA_2 * second + (1 - ADAM_BETA_2) * gradient**2
        mean = first / (1 - ADAM_BETA_1**step)
        variance = second / (1 - ADAM_BETA_2**step)
        parameters -= rate * mean / (np.sqrt(variance) + ADAM_EPSILON)

    def sgd(
        self,
        parameters: Matrix,
        gradient: Matrix,
        velocity: Matrix,
        momentum: float,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Matrix | None = None,
        factor: float = 1.0,
    ) -> None:
        weights = parameters[:decayed]
        if squares is not None:
            self.add_squares(weights, factor, squares)
        gradient = gradient.copy()
        gradient[:decayed] += gradient.dtype.type(weight_decay) * weights
        velocity[...] = momentum * velocity - float(clock.rate[0]) * gradient
        parameters += velocity

    def dot(self, x: Matrix, y: Matrix) -> float:
        return float(np.dot(x.astype(np.float64), y.astype(np.float64)))

    def axpby(self, alpha: float, x: Matrix, beta: float, y: Matrix) -> None:
        y[...] = alpha * x + beta * y if beta else alpha * x


def _weighted(a: Matrix, row_weights: Matrix | None) -> Matrix:
    """Return a (m, n) with each row times its weight, of (m, 1)."""
    return a if row_weights is None else a * row_weights


def _largest(a: Matrix, k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest of each row, largest first and of equals the lower."""
    columns: NDArray[np.int64] = np.argsort(-a, axis=1, kind="stable")[:, :k]
    return columns


def _softmax(logits: Matrix, target: Matrix | float = 0.0) -> tuple[Matrix, Matrix]:
    """Return p = eᶻ / Σ eᶻ (m, n), and each row's cross-entropy Σ t (ln Σ eᶻ − z), in float64.

    J. Bridle: Probabilistic interpretation of feedforward classification network outputs, 1990.
    Both are of z − max z, so that nothing overflows. Where t is 0 it counts for nothing.
    """
    z = logits.astype(np.float64)
    with np.errstate(over="ignore"):  # what is farther below than float64 reaches has e⁻∞ = 0
        below = z - z.max(axis=1, keepdims=True)
    powers, target = np.exp(below), np.broadcast_to(np.float64(target), z.shape)
    sums = powers.sum(axis=1)
    products = np.multiply(target, below, out=np.zeros_like(z), where=target != 0)
    losses = target.sum(axis=1) * np.log(sums) - products.sum(axis=1)
    return powers / sums[:, None], losses


def _add_bias_gradient(delta: Matrix, bias_gradient: Matrix, accumulate: bool) -> None:
    column_sums = delta.sum(axis=0)
    bias_gradient[...] = bias_gradient + column_sums if accumulate else column_sums


def _positions(rows: Rows) -> NDArray[np.int64]:
    """Return where in the source the rows are."""
    return _entries(rows, rows.order if rows.places is None else rows.places)


def _numbers(rows: Rows) -> NDArray[np.int64]:
    """Return the numbers of the rows in the data."""
    numbers: NDArray[np.int64] = _entries(rows, rows.order) + rows.clock.counters[ROW_BASE]
    return numbers


def _entries(rows: Rows, order: Matrix) -> NDArray[np.int64]:
    start = int(rows.clock.counters[START]) + rows.first
    entries: NDArray[np.int64] = order[start : start + rows.count]
    return entries


def _noise_words(rows: Rows, columns: int, noise: Corruption) -> NDArray[np.uint32]:
    epoch = int(rows.clock.counters[EPOCH])
    whole_groups = 4 * -(-columns // 4)
    return philox.words(noise.seed, philox.Purpose.NOISE, _numbers(rows), whole_groups, epoch)


def _gaussian(x: Matrix, drawn: NDArray[np.uint32], noise: Corruption) -> Matrix:
    normals = philox.normals(drawn)[:, : x.shape[1]].astype(x.dtype)
    return np.asarray(x + x.dtype.type(noise.level) * normals)


def _clipped_gaussian(x: Matrix, drawn: NDArray[np.uint32], noise: Corruption) -> Matrix:
    return np.clip(_gaussian(x, drawn, noise), noise.low, noise.high)


def _masking(x: Matrix, drawn: NDArray[np.uint32], noise: Corruption) -> Matrix:
    masked = drawn[:, : x.shape[1]] < philox.threshold(noise.level)
    return np.where(masked, x.dtype.type(0), x)


def _salt_pepper(x: Matrix, drawn: NDArray[np.uint32], noise: Corruption) -> Matrix:
    drawn = drawn[:, : x.shape[1]]
    lowest = drawn < philox.threshold(noise.level, bits=31)
    highest = drawn < philox.threshold(noise.level)
    return np.where(lowest, noise.low, np.where(highest, noise.high, x))


_CORRUPTIONS: dict[str, Callable[[Matrix, NDArray[np.uint32], Corruption], Matrix]] = {
    "gaussian": _gaussian,
    "clipped_gaussian": _clipped_gaussian,
    "masking": _masking,
    "salt_pepper": _salt_pepper,
}
