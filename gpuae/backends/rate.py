"""How fast matrix products are: a quick measurement of sgemm on one core."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import blas, get_ops, resolve_device

SIZE = 768
ROUNDS = 7

Matrix = NDArray[np.float32]
Product = Callable[[Matrix, Matrix, Matrix], object]


def own_rate() -> float:
    """Return 10⁹ operations a second of our own BLAS in float32 on one core."""
    ops = get_ops(resolve_device("cpu"))
    with ops.session():
        return _rate(ops.gemm)


def numpy_rate() -> float:
    """Return the same of NumPy's BLAS."""
    ops = get_ops(resolve_device("numpy"))
    with ops.session():
        return _rate(lambda a, b, out: np.matmul(a, b, out=out))


def rate_with(core: str) -> float | None:
    """Return what `own_rate` would be with another kernel, measured in a process of its own.

    None where that fails.
    """
    program = (
        f"import os; os.environ[{blas.OVERRIDE!r}] = {core!r}\n"
        "from gpuae.backends.rate import own_rate; print(own_rate())"
    )
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return float(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return None


def _rate(product: Product) -> float:
    """Return the rate of the fastest of a few products."""
    random = np.random.default_rng(0)
    a, b = random.random((2, SIZE, SIZE), np.float32)
    out = np.empty_like(a)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        product(a, b, out)
        seconds.append(time.perf_counter() - began)
    return 2.0 * SIZE**3 / min(seconds) / 1e9
