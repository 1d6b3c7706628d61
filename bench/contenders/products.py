"""The bound: only the matrix products of the job, whole batches, NumPy with both cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from bench.cases import Case


def prepare(case: Case, _: str) -> Callable[[], tuple[float, None]]:
    """Allocate everything; no product's output is another's input, so numbers stay tame."""
    hidden = case.config().resolved_hidden
    widths = (case.columns, *hidden, *reversed(hidden[:-1]), case.columns)
    batch = case.config().batch_size or case.rows
    passes = [batch] * (case.rows // batch) + [case.rows % batch] * (case.rows % batch > 0)
    if case.kind == "encode":
        widths = widths[: len(hidden) + 1]
    job = _Products(widths, batch)

    def run() -> tuple[float, None]:
        began = time.perf_counter()
        for _ in range(case.repeats):
            for rows in passes:
                if case.kind == "encode":
                    job.encode(rows, len(hidden))
                else:
                    job.step(rows)
        return (time.perf_counter() - began) / case.repeats, None

    return run


class _Products:
    def __init__(self, widths: tuple[int, ...], batch: int) -> None:
        random = np.random.default_rng(0)

        def matrix(rows: int, columns: int) -> np.ndarray:
            return random.standard_normal((rows, columns), np.float32)

        self.weights = [matrix(*pair) for pair in pairwise(widths)]
        self.inputs = [matrix(batch, width) for width in widths[:-1]]
        self.deltas = [matrix(batch, width) for width in widths[1:]]
        self.outputs = [np.empty_like(delta) for delta in self.deltas]
        self.backs = [np.empty_like(inputs) for inputs in self.inputs]
        self.gradients = [np.empty_like(weight) for weight in self.weights]

    def encode(self, rows: int, layers: int) -> None:
        for i in range(layers):
            np.matmul(self.inputs[i][:rows], self.weights[i], out=self.outputs[i][:rows])

    def step(self, rows: int) -> None:
        self.encode(rows, len(self.weights))
        for i in reversed(range(len(self.weights))):
            delta = self.deltas[i][:rows]
            np.matmul(self.inputs[i][:rows].T, delta, out=self.gradients[i])
            if i:
                np.matmul(delta, self.weights[i].T, out=self.backs[i][:rows])
