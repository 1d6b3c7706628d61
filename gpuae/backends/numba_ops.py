"""`Ops` for the CPU: fused, vectorised loops and a BLAS of our own.

Every operation computes on the thread that calls it and holds no lock, so threads may work
side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import (
    blas,
    numba_kernels,
    numba_parameters,
    numba_program,
    numba_rows,
    numba_softmax,
    numba_sparse,
    philox,
)
from gpuae.backends.numba_gemm import gemm
from gpuae.backends.numba_rows import CACHE_LINE
from gpuae.backends.numpy_ops import NumpyOps
from gpuae.backends.ops import Clock, Corruption, Ops, Recorder, Rows, Scaling
from gpuae.config import Activation, Loss
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES

Matrix = NDArray[Any]


class NumbaOps(NumpyOps):
    """The operations worth compiling; the rest is NumPy's."""

    name = "cpu"

    def __init__(self) -> None:
        self._blas = blas.load()
        self._gemm = {"float32": self._blas.sgemm, "float64": self._blas.dgemm}

    def __reduce__(self) -> tuple[type[NumbaOps], tuple[()]]:
        # the products' addresses hold in this process only
        return type(self), ()

    def recorders(self, threads: int, barrier: Callable[[], object]) -> list[Recorder]:
        counters = numba_program.new_barrier()
        return [KernelRecorder(threads, counters) for _ in range(threads)]

    def session(self) -> AbstractContextManager[object]:
        """Keep our BLAS to the calling thread."""
        self._blas.use_one_thread()
        return nullcontext()

    def empty(self, shape: tuple[int, ...], dtype: str) -> Matrix:
        """Allocate from the start of a cache line: vectors that cross one are loaded twice."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        memory = np.empty(size + CACHE_LINE, np.uint8)
        start = -memory.ctypes.data % CACHE_LINE
        aligned: Matrix = memory[start : start + size].view(dtype).reshape(shape)
        return aligned

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Matrix:
        buffer = self.empty(shape, dtype)
        buffer[...] = 0
        return buffer

    def fill(self, array: Matrix, value: float) -> None:
        self._run(numba_parameters.fill, array, array.dtype.type(value))

    def advance(self, clock: Clock, count: int) -> None:
        self._run(numba_parameters.advance, clock.counters, count)

    def gemm(
        self,
        a: Matrix,
        b: Matrix,
        out: Matrix,
        transpose_a: bool = False,
        transpose_b: bool = False,
        accumulate: bool = False,
    ) -> None:
        if any(own.size and own.strides[1] != own.itemsize for own in (a, b, out)):
            raise ValueError("a product needs matrices whose rows are contiguous")
        self._run(gemm, self._gemm[out.dtype.name], a, b, out, transpose_a, transpose_b, accumulate)

    def gather(self, rows: Rows, source: Matrix, scaling: Scaling, out: Matrix) -> None:
        self._run(
            numba_rows.gather,
            rows.order if rows.places is None else rows.places,
            rows.clock.counters,
            rows.first,
            _frozen(source),
            _scaling(scaling),
            out,
        )

    def corrupt(self, rows: Rows, x: Matrix, noise: Corruption, out: Matrix) -> None:
        self._run(
            numba_rows.CORRUPT[noise.kind],
            rows.order,
            rows.clock.counters,
            rows.first,
            _NOISE,
            x,
            _corruption(noise, x),
            out,
        )

    def gather_corrupt(
        self,
        rows: Rows,
        source: Matrix,
        scaling: Scaling,
        noise: Corruption,
        out: Matrix,
        noisy: Matrix,
    ) -> None:
        if rows.places is not None:
            self.gather(rows, source, scaling, out)
            self.corrupt(rows, out, noise, noisy)
            return
        self._run(
            numba_rows.GATHER_CORRUPT[noise.kind],
            rows.order,
            rows.clock.counters,
            rows.first,
            _NOISE,
            _frozen(source),
            _scaling(scaling),
            _corruption(noise, out),
            out,
            noisy,
        )

    def normalize_rows(self, x: Matrix, total: float) -> None:
        self._run(numba_rows.normalize_rows, x, float(total))

    def log1p(self, x: Matrix, center: Matrix, out: Matrix) -> None:
        self._run(numba_rows.log1p_less, x, center, out)

    def unscale(self, x: Matrix, scaling: Scaling, out: Matrix) -> None:
        self._run(numba_rows.unscale, x, scaling.center, scaling.factor, out)

    def bias_activation(
        self, z: Matrix, bias: Matrix, activation: Activation, preactivation: Matrix | None = None
    ) -> None:
        self._run(numba_kernels.bias_activation(activation), z, bias, preactivation)

    def topk_mask(self, a: Matrix, k: int, mask: Matrix) -> None:
        self._run(numba_sparse.topk_mask, *_words(a), k, mask)

    def dropout_mask(
        self, rows: Rows, layer: int, rate: float, seed: int, mask: Matrix, combine: bool
    ) -> None:
        self._run(
            numba_rows.dropout_mask,
            rows.order,
            rows.clock.counters,
            rows.first,
            philox.stream(philox.Purpose.DROPOUT, layer),
            philox.key_of(seed),
            philox.threshold(rate),
            mask.dtype.type(1 / (1 - rate)),
            mask,
            combine,
        )

    def multiply(self, a: Matrix, mask: Matrix, out: Matrix) -> None:
        self._run(numba_kernels.multiply, a, mask, out)

    def copy_columns(
        self, source: Matrix, first: int, out: Matrix, out_first: int, count: int
    ) -> None:
        self._run(numba_kernels.copy_columns, source, first, out, out_first, count)

    def add_column_sums(self, a: Matrix, sums: Matrix, row_weights: Matrix | None = None) -> None:
        self._run(numba_kernels.add_column_sums, a, sums, row_weights)

    def add_absolute_sum(self, a: Matrix, total: Matrix, row_weights: Matrix | None = None) -> None:
        self._run(numba_kernels.add_absolute_sum, a, total, row_weights)

    def row_errors(self, output: Matrix, target: Matrix, errors: Matrix) -> None:
        self._run(numba_kernels.row_errors, output, target, errors)

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
        run = numba_kernels.output_loss(activation, loss)
        factor, own = LOSSES[loss].value_factor(z.shape[1]), z.dtype.type(parameter)
        self._run(run, z, bias, target, factor, own, total, row_weights)

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
        if not accumulate:
            self.fill(bias_gradient, 0)
        own, number, columns = LOSSES[loss], z.dtype.type, z.shape[1]
        self._run(
            numba_kernels.output_delta(activation, loss),
            z,
            bias,
            target,
            own.value_factor(columns),
            number(own.delta_factor(columns) / rows_of_step),
            number(parameter),
            total,
            bias_gradient,
            row_weights,
        )

    def softmax(self, z: Matrix, bias: Matrix) -> None:
        self._softmax(z, bias)

    def softmax_loss(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix,
        total: Matrix,
        row_weights: Matrix | None = None,
    ) -> None:
        self._softmax(z, bias, target, total=total, row_weights=row_weights)

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
        if not accumulate:
            self.fill(bias_gradient, 0)
        self._softmax(z, bias, target, 1 / rows_of_step, total, bias_gradient, row_weights)

    def _softmax(
        self,
        z: Matrix,
        bias: Matrix,
        target: Matrix | None = None,
        factor: float = 1.0,
        total: Matrix | None = None,
        sums: Matrix | None = None,
        row_weights: Matrix | None = None,
    ) -> None:
        words, lowest, _ = _words(z)
        given = (z, words, lowest, bias, target, row_weights)
        self._run(numba_softmax.softmax, *given, factor, total, sums)

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
        settings = (rho, beta, ACTIVATIONS[activation].signed)
        sums = (code_sums, rows_of_step, weight_sum)
        self._run(numba_kernels.kl_slope, *sums, *settings, slope, total)

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
        if not accumulate:
            self.fill(bias_gradient, 0)
        z = a if preactivation is None else preactivation
        penalty = delta.dtype.type(l1) if l1 else None
        run = numba_kernels.hidden_delta(activation)
        self._run(run, delta, z, a, mask, slope, penalty, bias_gradient, row_weights)

    def sum_lanes(self, lanes: Matrix, place: slice, out: Matrix) -> None:
        self._run(numba_parameters.sum_lanes, lanes, place.start, out)

    def topk(self, a: Matrix, k: int, indices: Matrix, values: Matrix) -> None:
        self._run(numba_sparse.topk, a, *_words(a), indices, values)

    def sparse_product(self, indices: Matrix, values: Matrix, w: Matrix, out: Matrix) -> None:
        self._run(numba_sparse.product, indices, values, w, out)

    def sparse_delta(self, indices: Matrix, delta_next: Matrix, w: Matrix, out: Matrix) -> None:
        self._run(numba_sparse.delta, indices, delta_next, w, out)

    def sparse_hidden_delta(
        self,
        delta: Matrix,
        a: Matrix,
        indices: Matrix,
        activation: Activation,
        bias_gradient: Matrix,
        accumulate: bool,
    ) -> None:
        if not accumulate:
            self.fill(bias_gradient, 0)
        self._run(numba_sparse.hidden_delta(activation), delta, a, indices, bias_gradient)

    def sparse_outer_rows(
        self,
        indices: Matrix,
        values: Matrix,
        delta_next: Matrix,
        rows: slice,
        out: Matrix,
        accumulate: bool,
    ) -> None:
        run = numba_sparse.outer_rows
        self._run(run, indices, values, delta_next, rows.start, out, accumulate)

    def sparse_outer_columns(
        self,
        inputs: Matrix,
        indices: Matrix,
        delta: Matrix,
        rows: slice,
        out: Matrix,
        accumulate: bool,
    ) -> None:
        run = numba_sparse.outer_columns
        self._run(run, inputs, indices, delta, rows.start, out, accumulate)

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
        if squares is not None:
            self.add_squares(parameters[:decayed], factor, squares)
        for part, decay in _by_decay(parameters, weight_decay, decayed):
            vectors = (own[part] for own in (parameters, gradient, first, second))
            self._run(numba_parameters.adam, *vectors, clock.counters, clock.rate, decay)

    def add_squares(self, x: Matrix, factor: float, total: Matrix) -> None:
        self._run(numba_parameters.add_squares, x, factor, total)

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
        if squares is not None:
            self.add_squares(parameters[:decayed], factor, squares)
        for part, decay in _by_decay(parameters, weight_decay, decayed):
            vectors = (own[part] for own in (parameters, gradient, velocity))
            self._run(numba_parameters.sgd, *vectors, momentum, clock.rate, decay)

    def dot(self, x: Matrix, y: Matrix) -> float:
        return float(numba_parameters.dot(x, y))

    def axpby(self, alpha: float, x: Matrix, beta: float, y: Matrix) -> None:
        self._run(numba_parameters.axpby, y.dtype.type(alpha), x, y.dtype.type(beta), y)

    def _run(self, kernel: Any, *arguments: Any) -> None:
        kernel(*arguments)


class KernelRecorder(NumbaOps):
    """Records calls of kernels for compiled code to make."""

    def __init__(self, threads: int, counters: Matrix) -> None:
        super().__init__()
        self._threads, self._counters = threads, counters
        self._calls: list[tuple[Any, tuple[Any, ...]]] = []

    @property
    def ops(self) -> Ops:
        """Itself."""
        return self

    def barrier(self) -> None:
        """Record a barrier."""
        if self._threads > 1:
            give_way = numba_program.yield_address()
            self._run(numba_program.wait_at_barrier, self._counters, self._threads, give_way)

    def take(self) -> numba_program.Program:
        """Return the calls since the last time."""
        calls, self._calls = self._calls, []
        return numba_program.Program(calls)

    def _run(self, kernel: Any, *arguments: Any) -> None:
        self._calls.append((kernel, arguments))


def _by_decay(
    parameters: Matrix, weight_decay: float, decayed: int | None
) -> list[tuple[slice, Any]]:
    """Return the parts of the parameters that are moved alike, each with its λ, if it has one."""
    if not weight_decay:
        return [(slice(None), None)]
    decay, stop = parameters.dtype.type(weight_decay), len(parameters)
    cut = stop if decayed is None else decayed
    parts = [(slice(0, cut), decay), (slice(cut, stop), None)]
    return [own for own in parts if own[0].start < own[0].stop]


_NOISE = philox.stream(philox.Purpose.NOISE, layer=0)


def _frozen(source: Matrix) -> Matrix:
    """View rows as read-only: a memory map and an array in memory then share compiled code."""
    view = source.view(np.ndarray)
    view.flags.writeable = False
    return view


def _words(a: Matrix) -> tuple[Matrix, Any, Any]:
    """Return a's bits as signed integers, the lowest of these, and the bits of infinity."""
    kind = np.dtype(f"i{a.itemsize}")
    infinity = a.dtype.type(np.inf).view(kind)
    return a.view(kind), kind.type(np.iinfo(kind).min), infinity


def _scaling(scaling: Scaling) -> tuple[Matrix, Matrix, Any, Any]:
    number = scaling.center.dtype.type
    return scaling.center, scaling.factor, number(scaling.low), number(scaling.high)


def _corruption(noise: Corruption, x: Matrix) -> tuple[Any, ...]:
    level = x.dtype.type(noise.level)
    key = philox.key_of(noise.seed)
    return key, level, noise.threshold, noise.low, noise.high
