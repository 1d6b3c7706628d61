import os
from functools import partial

import numpy as np
import pytest

from gpuae.backends.ops import EPOCH, ROW_BASE, START, STEP, Clock, Rows

REAL_GPU = os.environ.get("GPUAE_TEST_GPU") == "1"
SANITIZED = bool(os.environ.get("GPUAE_SANITIZER"))


@pytest.fixture
def rows_at():
    """A function that makes `Rows`: some places of an order, at a time of the clock."""
    return _rows_at


def _rows_at(
    order, *, first=0, count=None, start=0, epoch=0, row_base=0, step=0, rate=0.0, places=None
):
    order = np.ascontiguousarray(order, np.int64)
    counters = np.zeros(4, np.int64)
    counters[[EPOCH, START, STEP, ROW_BASE]] = epoch, start, step, row_base
    if count is None:
        count = len(order) - start - first
    if places is not None:
        places = np.ascontiguousarray(places, np.int64)
    return Rows(order, Clock(counters, np.array([rate])), first, count, places)


@pytest.fixture(params=["cpu", "cuda"])
def fast_ops(request):
    """The operations of a backend, in each way that must give the same bits.

    The CUDA sources run on the CPU in three orders of threads and with one, two and three blocks.
    """
    if request.param == "cpu":
        from gpuae.backends.numba_ops import NumbaOps

        return [NumbaOps()]
    if REAL_GPU:
        from on_gpu import OnGpu

        from gpuae.backends import Device, get_ops

        ops = get_ops(Device("cuda", "the tests ask for it"))
        return [OnGpu(ops, shift) for shift in SHIFTS]
    from host_gpu import HostGpu

    from gpuae.backends.cupy_ops import CupyOps

    libraries = request.getfixturevalue("kernel_libraries")
    ways = ((0, 3), (1, 1), (7, 2))
    return [CupyOps(HostGpu(libraries, order=order, blocks=blocks)) for order, blocks in ways]


@pytest.fixture
def assert_agree(fast_ops):
    """A function that compares what a fast backend and NumpyOps leave in the arrays of a call."""
    return partial(_assert_agree, fast_ops)


SHIFTS = (0, 1, 0)
"""How many elements off alignment the arrays are for each way."""
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def _assert_agree(fast_ops, call, tolerance=None, **arrays):
    """Make call(ops, **arrays) on copies with each backend; all arrays must then agree.

    Differences are relative to the array's norm; NaN counts as a difference. Memory around the
    arrays must stay as it was.
    """
    from gpuae.backends.numpy_ops import NumpyOps

    expected = {name: array.copy() for name, array in arrays.items()}
    call(NumpyOps(), **expected)
    left = []
    for shift, ops in zip(SHIFTS, fast_ops, strict=False):
        guarded = {name: Guarded(array, shift) for name, array in arrays.items()}
        call(ops, **{name: own.array for name, own in guarded.items()})
        for name, own in guarded.items():
            assert own.unharmed(), f"{name}: written beyond its end"
        left.append({name: own.array for name, own in guarded.items()})
    names = {array.dtype.name for array in arrays.values()}
    limit = tolerance or TOLERANCE["float32" if "float32" in names else "float64"]
    for name, want in expected.items():
        got = left[0][name]
        assert got.dtype == want.dtype
        error = np.linalg.norm((got.astype(float) - want.astype(float)).ravel())
        size = np.linalg.norm(want.astype(float).ravel())
        assert error <= limit * size, f"{name}: {error / max(size, 1e-300):.2e} of its norm"
        for other in left[1:]:
            np.testing.assert_array_equal(got, other[name], f"{name} depends on order or blocks")


class Guarded:
    """A copy of an array with bytes around it that nobody may change.

    A sanitizer sees reads as well; for it the copy ends where its memory does. `shift` elements
    before it put it where four neighbours are not aligned.
    """

    WIDTH = 256
    MARK = np.uint32(0x7FA5A5A5)  # a float32 that every operation changes: a signaling NaN

    def __init__(self, array, shift):
        if SANITIZED:
            self._memory = self._before = np.zeros(0, np.uint8)
            self._start = self._end = 0
            memory = np.empty(array.size + shift, array.dtype)
            self.array = memory[shift:].reshape(array.shape)
            self.array[...] = array
            return
        words = array.nbytes // 4 + self.WIDTH
        self._memory = np.full(words, self.MARK).view(np.uint8)
        self._before = self._memory.copy()
        self._start = self.WIDTH + -(self._memory.ctypes.data + self.WIDTH) % 64
        self._start += shift * array.itemsize
        self._end = self._start + array.nbytes
        self.array = self._memory[self._start : self._end].view(array.dtype).reshape(array.shape)
        self.array[...] = array

    def unharmed(self):
        """Whether the bytes around are as they were."""
        changed = self._memory != self._before
        return not (changed[: self._start].any() or changed[self._end :].any())
