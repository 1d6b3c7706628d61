"""The bound: only the matrix products of each step, on the same device.

No product's output is another's input, so numbers stay tame.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Array, Ops, Program
from gpuae.benchmark.contenders import Job, Run, timed
from gpuae.training.batches import step_sizes


def prepare(job: Job) -> Run:
    """Allocate everything, and on a GPU capture a graph of each size of step."""
    case = job.case
    steps = step_sizes(case.rows, case.batch_size)
    if job.on_gpu:
        return timed(on_gpu(get_ops(resolve_device(job.device)), case.widths, steps))
    operands = Operands(case.widths, steps[0], lambda host: host)

    def epoch() -> None:
        for rows in steps:
            _in_numpy(operands, rows)

    return timed(epoch)


class Operands:
    """The matrices of a step of so many rows, with random numbers.

    Parameters
    ----------
    bring
        Brings a host array to where it is used.
    """

    def __init__(
        self, widths: tuple[int, ...], rows: int, bring: Callable[[NDArray[Any]], Array]
    ) -> None:
        random = np.random.default_rng(0)

        def matrix(rows: int, columns: int) -> Array:
            return bring(random.standard_normal((rows, columns), np.float32))

        self.weights = [matrix(*pair) for pair in pairwise(widths)]
        self.inputs = [matrix(rows, width) for width in widths[:-1]]
        self.deltas = [matrix(rows, width) for width in widths[1:]]
        self.outputs = [matrix(rows, width) for width in widths[1:]]
        self.backs = [matrix(rows, width) for width in widths[:-1]]
        self.gradients = [matrix(*pair) for pair in pairwise(widths)]


def forward(own: Operands, rows: int, layers: int) -> None:
    """Multiply the inputs of the first layers by their weights, in NumPy."""
    for i in range(layers):
        np.matmul(own.inputs[i][:rows], own.weights[i], out=own.outputs[i][:rows])


def _in_numpy(own: Operands, rows: int) -> None:
    forward(own, rows, len(own.weights))
    for i in reversed(range(len(own.weights))):
        delta = own.deltas[i][:rows]
        np.matmul(own.inputs[i][:rows].T, delta, out=own.gradients[i])
        if i:
            np.matmul(delta, own.weights[i].T, out=own.backs[i][:rows])


def on_gpu(ops: Ops, widths: tuple[int, ...], steps: list[int]) -> Callable[[], None]:
    """Return a function that launches an epoch's graphs and waits at the end."""
    operands = Operands(widths, steps[0], ops.asarray)
    runs = [(rows, len(list(run))) for rows, run in groupby(steps)]
    programs = [(step_program(ops, operands, rows), times) for rows, times in runs]

    def epoch() -> None:
        with ops.session():
            for program, times in programs:
                program.replay(times)

    return epoch


def step_program(ops: Ops, own: Operands, rows: int) -> Program:
    """Write a step's products down: a captured graph on a GPU."""
    (recorder,) = ops.recorders(1, lambda: None)
    gemm = recorder.ops.gemm
    for i, weight in enumerate(own.weights):
        gemm(own.inputs[i][:rows], weight, own.outputs[i][:rows])
    for i in reversed(range(len(own.weights))):
        delta = own.deltas[i][:rows]
        gemm(own.inputs[i][:rows], delta, own.gradients[i], transpose_a=True)
        if i:
            gemm(delta, own.weights[i], own.backs[i][:rows], transpose_b=True)
    return recorder.take()
