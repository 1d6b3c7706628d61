import numpy as np
import pytest

from gpuae.backends.ops import EPOCH, ROW_BASE, START, STEP, Clock, Rows


@pytest.fixture
def rows_at():
    """A function that makes `Rows`: some places of an order, at a time of the clock."""
    return _rows_at


def _rows_at(order, *, first=0, count=None, start=0, epoch=0, row_base=0, step=0, rate=0.0):
    order = np.asarray(order, np.int64)
    counters = np.zeros(4, np.int64)
    counters[[EPOCH, START, STEP, ROW_BASE]] = epoch, start, step, row_base
    if count is None:
        count = len(order) - start - first
    return Rows(order, Clock(counters, np.array([rate])), first, count)


@pytest.fixture
def assert_agree():
    """A function that compares what NumbaOps and NumpyOps leave in the arrays of a call."""
    return _assert_agree


TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def _assert_agree(call, tolerance=None, **arrays):
    """Make call(ops, **arrays) on copies with each backend; all arrays must then agree.

    Differences are relative to the array's norm; NaN counts as a difference.
    """
    from gpuae.backends.numba_ops import NumbaOps
    from gpuae.backends.numpy_ops import NumpyOps

    left = []
    for ops in (NumpyOps(), NumbaOps()):
        own = {name: array.copy() for name, array in arrays.items()}
        call(ops, **own)
        left.append(own)
    names = {array.dtype.name for array in arrays.values()}
    limit = tolerance or TOLERANCE["float32" if "float32" in names else "float64"]
    for name, expected in left[0].items():
        got = left[1][name]
        assert got.dtype == expected.dtype
        error = np.linalg.norm((got.astype(float) - expected.astype(float)).ravel())
        size = np.linalg.norm(expected.astype(float).ravel())
        assert error <= limit * size, f"{name}: {error / max(size, 1e-300):.2e} of its norm"
