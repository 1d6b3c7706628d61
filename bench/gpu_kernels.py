"""How fast each fused kernel moves memory, beside the device's own copy.

    python bench/gpu_kernels.py [--megabytes 256] [--device cuda] [--json]

Bytes are those that the formula needs: every array it reads or writes, once. A kernel that draws
noise is held to the slower of the copy and of Philox alone, measured with `dropout_mask`, which
writes four bytes a word. What is timed are replays of a program, as in training: through Python the
way of each launch would be timed too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Clock, Corruption, Ops, Rows, Scaling

COLUMNS = 1024
SHARE = 0.8
"""Of the bound, which every kernel is to reach."""
ROUNDS, SECONDS = 7, 0.02


@dataclass(frozen=True)
class Job:
    """A kernel to be timed.

    Attributes
    ----------
    moved
        Bytes an element.
    draws
        Whether it draws a random word an element.
    """

    name: str
    moved: int
    run: Callable[[], None]
    draws: bool = False


def jobs(ops: Ops, rows: int) -> list[Job]:
    """Prepare all kernels on float32 matrices of so many rows and COLUMNS columns.

    `ops` may be a recorder's.
    """
    shape, count = (rows, COLUMNS), rows * COLUMNS
    random = np.random.default_rng(0)
    one = random.random(shape, np.float32)
    a, b, c, d = (ops.asarray(one) for _ in range(4))
    source = ops.asarray((255 * one).astype(np.uint8))
    vector = ops.asarray(random.random(COLUMNS, np.float32))
    total, sums = ops.zeros((1,), "float64"), ops.zeros((COLUMNS,), "float64")
    errors = ops.zeros((rows,), "float64")
    clock = Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64"))
    order = Rows(ops.asarray(np.arange(rows)), clock, 0, rows)
    scaling = Scaling(vector, vector, -np.inf, np.inf)
    mask = Corruption("masking", 0.3, 1, vector, vector)
    normal = Corruption("gaussian", 0.3, 1, vector, vector)
    flat = [own.reshape(count) for own in (a, b, c, d)]
    return [
        Job("axpby, a copy", 8, lambda: ops.axpby(1.0, flat[0], 0.0, flat[1])),
        Job("gather", 5, lambda: ops.gather(order, source, scaling, a)),
        Job("bias_activation", 8, lambda: ops.bias_activation(a, vector, "sigmoid")),
        Job("multiply", 12, lambda: ops.multiply(a, b, c)),
        Job(
            "output_delta",
            12,
            lambda: ops.output_delta(
                a, vector, b, "sigmoid", "bce", rows, total, vector, accumulate=False
            ),
        ),
        Job("output_loss", 12, lambda: ops.output_loss(a, vector, b, "sigmoid", "sse", total)),
        Job(
            "hidden_delta",
            16,
            lambda: ops.hidden_delta(a, b, c, vector, 0.0, "sigmoid", vector, accumulate=False),
        ),
        Job("column sums", 4, lambda: ops.add_column_sums(a, sums)),
        Job("row errors", 8, lambda: ops.row_errors(a, b, errors)),
        Job("squares", 4, lambda: ops.add_squares(flat[0], 1.0, total)),
        Job("adam", 28, lambda: ops.adam(*flat, clock, 0.1)),
        Job("sgd", 20, lambda: ops.sgd(*flat[:3], 0.9, clock, 0.1)),
        Job(
            "dropout_mask (Philox)",
            4,
            lambda: ops.dropout_mask(order, 1, 0.3, 1, a, combine=False),
            draws=True,
        ),
        Job("corrupt, masking", 8, lambda: ops.corrupt(order, a, mask, b), draws=True),
        Job("corrupt, gaussian", 8, lambda: ops.corrupt(order, a, normal, b), draws=True),
        Job(
            "gather and corrupt",
            9,
            lambda: ops.gather_corrupt(order, source, scaling, mask, a, b),
            draws=True,
        ),
        Job(
            "bias, activation, dropout",
            16,
            lambda: ops.bias_activation_dropout(order, a, vector, "relu", 1, 0.3, 1, b, c),
            draws=True,
        ),
    ]


def seconds(ops: Ops, replay: Callable[[int], None]) -> float:
    """Return the median seconds of a repeat, of rounds of many of them."""
    flag = ops.zeros((1,), "float32")

    def timed(calls: int) -> float:
        ops.to_host(flag)
        began = time.perf_counter()
        replay(calls)
        ops.to_host(flag)
        return time.perf_counter() - began

    timed(2)
    calls = max(2, round(SECONDS / max(timed(2) / 2, 1e-6)))
    return median(timed(calls) / calls for _ in range(ROUNDS))


def copy_rate(ops: Ops, rows: int) -> float:
    """Return the bytes a second, read and written, of the device's own copy."""
    size = rows * COLUMNS
    x, y = ops.zeros((size,), "float32"), ops.zeros((size,), "float32")
    if ops.name != "cuda" or isinstance(x, np.ndarray):
        (recorder,) = ops.recorders(1, lambda: None)
        recorder.ops.axpby(1.0, x, 0.0, y)
        return 2 * x.nbytes / seconds(ops, recorder.take().replay)
    import cupy

    stream = ops.gpu.stream  # type: ignore[attr-defined]

    def copy(times: int) -> None:
        kind = cupy.cuda.runtime.memcpyDeviceToDevice
        for _ in range(times):
            cupy.cuda.runtime.memcpyAsync(y.data.ptr, x.data.ptr, x.nbytes, kind, stream.ptr)

    return float(2 * x.nbytes / seconds(ops, copy))


def measure(ops: Ops, megabytes: float) -> dict[str, Any]:
    """Time all kernels on matrices of so many megabytes."""
    rows = max(1, round(megabytes * 2**20 / (4 * COLUMNS)))
    count, copied = rows * COLUMNS, copy_rate(ops, rows)
    (recorder,) = ops.recorders(1, lambda: None)
    prepared = jobs(recorder.ops, rows)
    times = {}
    for job in prepared:
        job.run()
        times[job.name] = seconds(ops, recorder.take().replay)
    philox = times["dropout_mask (Philox)"]
    kernels = {}
    for job in prepared:
        bound = job.moved * count / copied
        if job.draws:
            bound = max(bound, philox)
        kernels[job.name] = {
            "seconds": times[job.name],
            "gigabytes_a_second": job.moved * count / times[job.name] / 1e9,
            "share_of_bound": bound / times[job.name],
        }
    return {
        "megabytes": megabytes,
        "copy_gigabytes_a_second": copied / 1e9,
        "philox_gigawords_a_second": count / philox / 1e9,
        "kernels": kernels,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=256.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    ops = get_ops(resolve_device(asked.device))
    with ops.session():
        results = measure(ops, asked.megabytes)
    if asked.json:
        print(json.dumps(results))
        return
    print(f"copy {results['copy_gigabytes_a_second']:.0f} GB/s, ", end="")
    print(f"Philox {results['philox_gigawords_a_second']:.0f} G words/s")
    for name, own in results["kernels"].items():
        share = own["share_of_bound"]
        verdict = "" if share >= SHARE else f"  below {SHARE:.0%}"
        print(f"  {name:28s} {own['gigabytes_a_second']:7.0f} GB/s  {share:6.1%}{verdict}")


if __name__ == "__main__":
    main()
