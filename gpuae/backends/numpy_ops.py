"""The definition: every operation in the clearest NumPy. `device=numpy` runs it, slowly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits

from gpuae.backends import philox
from gpuae.backends.ops import (
    ADAM_BETA_1,
    ADAM_BETA_2,
    ADAM_EPSILON,
    EPOCH,
    LEAKY_SLOPE,
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

Matrix = NDArray[Any]

ACTIVATIONS: dict[str, Callable[[Matrix], Matrix]] = {
    "sigmoid": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, z.dtype.type(LEAKY_SLOPE) * z),
    "identity": lambda z: z,
}
"""f(z) of each activation."""

DERIVATIVES: dict[str, Callable[[Matrix], Matrix]] = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "relu": lambda a: (a > 0).astype(a.dtype),
    "leaky_relu": lambda a: np.where(a > 0, 1, LEAKY_SLOPE).astype(a.dtype),
    "identity": np.ones_like,
}
"""f′(z), written in terms of a = f(z)."""


class NumpyOps:
    """`Ops` on NumPy arrays; see the protocol for what each operation does."""

    name = "numpy"

    def recorders(self, threads: int, meet: Callable[[], object]) -> list[Recorder]:
        return [PythonRecorder(self, meet) for _ in range(threads)]

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

    def unscale(self, x: Matrix, scaling: Scaling, out: Matrix) -> None:
        out[...] = x / scaling.factor + scaling.center

    def bias_activation(self, z: Matrix, bias: Matrix, activation: Activation) -> None:
        z[...] = ACTIVATIONS[activation](z + bias)

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
    ) -> None:
        self.bias_activation(z, bias, activation)
        self.dropout_mask(rows, layer, rate, seed, mask, combine=False)
        self.multiply(z, mask, out)

    def topk_mask(self, a: Matrix, k: int, mask: Matrix) -> None:
        largest_first = np.argsort(-a, axis=1, kind="stable")
        mask.fill(0)
        np.put_along_axis(mask, largest_first[:, :k], 1, axis=1)

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

    def add_column_sums(self, a: Matrix, sums: Matrix) -> None:
        sums += a.sum(axis=0, dtype=np.float64)

    def add_absolute_sum(self, a: Matrix, total: Matrix) -> None:
        total += np.abs(a).sum(dtype=np.float64)

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
    ) -> None:
        logits = z + bias
        z[...] = ACTIVATIONS[activation](logits)
        total += _loss_sum(logits, z, target, loss)

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
    ) -> None:
        self.output_loss(z, bias, target, activation, loss, total)
        factor = z.dtype.type(loss_factor(loss, z.shape[1]) / rows_of_step)
        slope = 1 if loss == "bce" else DERIVATIVES[activation](z)
        z[...] = (z - target) * slope * factor
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
    ) -> None:
        mean = code_sums / rows_of_step
        rho_hat = (mean + 1) / 2 if activation == "tanh" else mean
        rho_hat = np.clip(rho_hat, RHO_FLOOR, 1 - RHO_FLOOR)
        unit = 0.5 if activation == "tanh" else 1.0
        slope[...] = unit * beta * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)) / rows_of_step
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
    ) -> None:
        if mask is not None:
            delta *= mask
        if slope is not None:
            delta += slope
        if l1:
            delta += delta.dtype.type(l1) * np.sign(a)
        delta *= DERIVATIVES[activation](a)
        _add_bias_gradient(delta, bias_gradient, accumulate)

    def total_gradient(
        self,
        lanes: Matrix,
        part: slice,
        parameters: Matrix,
        weight_decay: float,
        n_weights: int,
        out: Matrix,
    ) -> None:
        out[...] = lanes[0, part]
        for lane in lanes[1:]:
            out += lane[part]
        decayed = parameters[part][: max(0, n_weights - part.start)]
        out[: len(decayed)] += out.dtype.type(weight_decay) * decayed

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
        step = int(clock.counters[STEP]) + 1
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


def loss_factor(loss: Loss, columns: int) -> float:
    """Return c in δ = c·(x̂ − x)∘f′/m: 1 for sse, 2/d for mse, 1/d for bce (there without f′)."""
    return {"sse": 1.0, "mse": 2.0 / columns, "bce": 1.0 / columns}[loss]


def row_loss_factor(loss: Loss, columns: int) -> float:
    """Return what Σ(x̂ − x)² or the summed cross-entropy of a row is multiplied by."""
    return 0.5 if loss == "sse" else 1.0 / columns


def _loss_sum(logits: Matrix, output: Matrix, target: Matrix, loss: Loss) -> float:
    if loss == "bce":
        terms = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
        return float(terms.sum(dtype=np.float64) / target.shape[1])
    squares = ((output - target) ** 2).sum(dtype=np.float64)
    return float(squares / 2 if loss == "sse" else squares / target.shape[1])


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
    "masking": _masking,
    "salt_pepper": _salt_pepper,
}
