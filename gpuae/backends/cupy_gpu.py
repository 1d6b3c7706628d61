"""A GPU through CuPy: memory, launches, captured graphs, and rows copied ahead."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from threading import RLock
from typing import Any, Self

import cupy
import cupyx
import numpy as np
from cupy.cuda.compiler import CompileException
from numpy.typing import NDArray

from gpuae.backends.cublas import WORKSPACE_BYTES, Cublas
from gpuae.backends.cublas import load as load_cublas
from gpuae.backends.cublas import version as version_of_cublas
from gpuae.backends.cuda_deferred import use_of
from gpuae.backends.cuda_kernel import Kernel, checked_arguments, known_to_kernels
from gpuae.backends.cuda_module import OPTIONS, unit
from gpuae.backends.cuda_order import BRANCHES, Place, in_branches
from gpuae.backends.gpu import Call, Recorded
from gpuae.backends.ops import Array, Fetched, Program
from gpuae.backends.python_program import PythonProgram
from gpuae.errors import DeviceError

BLOCKS_PER_PROCESSOR = 32
KEPT_FREE = 256 << 20
"""Bytes left for what the driver and cuBLAS load."""
LONG_GRAPH_NODES = 1024
FEWEST_REPEATS, MOST_REPEATS = 16, 64
"""A program that is replayed often is captured so many times in a row, up to about so many nodes:
the device then waits for the host once in dozens of steps, and capturing takes milliseconds."""
POOL_ALIGNMENT = 512
"""CuPy's memory begins at multiples of so many bytes."""
PINNED = 1
"""What CUDA calls such memory of the host (cudaMemoryTypeHost)."""


@cache
def open_gpu(index: int, *, precision: str) -> CupyGpu:
    """Return a GPU; for each precision its queue and its cuBLAS are set up once in a process."""
    return CupyGpu(index, precision=precision)


def describe(index: int) -> str:
    """Return the model of a GPU and the version of cuBLAS, which choose how products are summed."""
    model = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
    return f"{model}, cuBLAS {version_of_cublas(load_cublas(_cuda_major()))}"


class CupyGpu:
    """`Gpu` number `index`, with a queue (stream) of its own."""

    def __init__(self, index: int, *, precision: str) -> None:
        self.name = f"cuda:{index}"
        self.precision = precision
        self._device = cupy.cuda.Device(index)
        self._functions: dict[str, Any] = {}
        self._lock = RLock()
        self._branch = 0
        try:
            with self._device:
                streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(BRANCHES)]
                self._copies = cupy.cuda.Stream(non_blocking=True)
                self._results = cupy.cuda.Stream(non_blocking=True)
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise DeviceError(f"device={self.name} does not start: {error}") from error
        self.stream = streams[0]
        count = cupy.cuda.runtime.cudaDevAttrMultiProcessorCount
        processors = cupy.cuda.runtime.deviceGetAttribute(count, index)
        self.blocks = BLOCKS_PER_PROCESSOR * processors
        with self._device:
            rounds = precision == "tf32"
            self._branches = [_Branch.on(stream, rounds=rounds) for stream in streams]

    @contextmanager
    def session(self) -> Iterator[None]:
        """Wait at the end for everything that was queued."""
        try:
            yield
        finally:
            with self._active():
                self._copies.synchronize()
                self.stream.synchronize()
                self._results.synchronize()

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate."""
        try:
            with self._active():
                return cupy.empty(shape, dtype)
        except cupy.cuda.memory.OutOfMemoryError as error:
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            raise DeviceError(
                f"device={self.name} is full: {size / 2**30:.3g} GiB more are needed and "
                f"{max(0, self.room()) / 2**30:.3g} GiB are free; lower batch_size or hidden, or "
                "end what else runs there"
            ) from error

    def empty_like(self, matrix: Array) -> Array:
        """Allocate a matrix with the strides of another one and as far off alignment."""
        rows, columns = matrix.shape
        distance = max(columns, matrix.strides[0] // matrix.itemsize)
        first = matrix.data.ptr % POOL_ALIGNMENT // matrix.itemsize
        memory = self.empty((first + rows * distance,), matrix.dtype.name)
        return memory[first:].reshape(rows, distance)[:, :columns]

    def upload(self, host: NDArray[Any]) -> Array:
        """Copy a host array to the device."""
        array = self.empty(host.shape, host.dtype.name)
        self.write(array, host)
        return array

    def write(self, target: Array, host: NDArray[Any]) -> None:
        """Copy a host array into a buffer.

        This waits: CUDA may read pageable memory whenever the queue comes to it.
        """
        if host.size:
            with self._active():
                target.set(host, stream=self.stream)
                self.stream.synchronize()

    def read(self, array: Array) -> NDArray[Any]:
        """Wait for all work and copy an array to the host."""
        with self._active():
            host: NDArray[Any] = array.get(stream=self.stream)
        return host

    def fetch(self, array: Array) -> Fetched:
        """Begin to copy an array to pinned memory, on a stream of its own."""
        with self._active():
            host: NDArray[Any] = cupyx.empty_pinned(array.shape, array.dtype)
            done, come = (cupy.cuda.Event(disable_timing=True) for _ in range(2))
            done.record(self.stream)
            self._results.wait_event(done)
            array.get(stream=self._results, out=host, blocking=False)
            come.record(self._results)

        def fetched() -> NDArray[Any]:
            come.synchronize()
            return host

        return fetched

    def address(self, array: Array) -> int:
        """Return where an array begins."""
        return int(array.data.ptr)

    def room(self) -> int:
        """Return how many bytes can still be allocated."""
        gc.collect()  # arrays in cycles of objects that nobody uses any more
        with self._device:
            free, _ = cupy.cuda.runtime.memGetInfo()
            pool = cupy.get_default_memory_pool()
            return int(free + pool.free_bytes() - KEPT_FREE)

    def ring(self, x: NDArray[Any], slot_rows: int, slots: int) -> CopiedAhead:
        """Prepare to bring rows of a host matrix in."""
        return CopiedAhead(self, x, slot_rows, slots)

    def launch(
        self, kernel: Kernel, instance: tuple[str, ...], blocks: int, arguments: Mapping[str, Any]
    ) -> Call:
        """Prepare a launch."""
        values = tuple(
            _argument(dtype, value)
            for dtype, value in checked_arguments(kernel, instance, arguments)
        )
        function = self._function(kernel, instance)

        def call() -> None:
            with self._active():
                function((blocks,), (kernel.block,), values, shared_mem=kernel.shared)

        return call

    def product(
        self,
        a: Array,
        b: Array,
        out: Array,
        transpose_a: bool,
        transpose_b: bool,
        accumulate: bool,
    ) -> Call:
        """Prepare a matrix product."""
        return _Product(self, a, b, out, (transpose_a, transpose_b, accumulate))

    def program(self, calls: Sequence[Recorded]) -> Program:
        """Capture calls into a graph; none make a program without one."""
        return _Graph(self, calls) if calls else PythonProgram([])

    @contextmanager
    def on_branch(self, branch: int) -> Iterator[Any]:
        """Let what is called go into a branch's stream, which is returned."""
        with self._lock:
            self._branch, before = branch, self._branch
            try:
                yield self._branches[branch].stream
            finally:
                self._branch = before

    @property
    def blas(self) -> Cublas:
        """The products of the branch."""
        return self._branches[self._branch].blas

    def _function(self, kernel: Kernel, instance: tuple[str, ...]) -> Any:
        expression = kernel.expression(instance)
        if expression not in self._functions:
            try:
                with self._active():
                    module = cupy.RawModule(
                        code=unit(kernel, (instance,)),
                        options=OPTIONS,
                        name_expressions=(expression,),
                    )
                    function = module.get_function(expression)
                    _ = function.num_regs  # loads it, which a capture could not
            except (CompileException, RuntimeError) as error:
                raise DeviceError(
                    f"the GPU kernel {expression} could not be compiled for device={self.name}: "
                    f"{_first_line(error)}; use device=cpu, and report this please"
                ) from error
            self._functions[expression] = function
        return self._functions[expression]

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Make this device and its queue those of the calling thread, and of no other one.

        What another thread put into the queue during a capture would be captured too.
        """
        with self._lock, self._device, self._branches[self._branch].stream:
            yield


@dataclass(frozen=True)
class _Branch:
    """A stream, and the products on it, which need a workspace of their own."""

    stream: Any
    blas: Cublas
    workspace: Array

    @classmethod
    def on(cls, stream: Any, *, rounds: bool) -> Self:
        """Set up the products of a stream."""
        with stream:
            workspace = cupy.empty((WORKSPACE_BYTES,), "uint8")
            library, own = load_cublas(_cuda_major()), workspace.data.ptr
            return cls(stream, Cublas(library, stream.ptr, own, rounds=rounds), workspace)


class _Product:
    """A matrix product with its arguments."""

    def __init__(
        self, gpu: CupyGpu, a: Array, b: Array, out: Array, how: tuple[bool, bool, bool]
    ) -> None:
        self._gpu, self._a, self._b, self._out, self._how = gpu, a, b, out, how

    def __call__(self) -> None:
        self._into(self._out)

    def rehearse(self) -> None:
        """Do it to other memory: cuBLAS loads its kernels, which it could not during capture.

        Which kernel it chooses may depend on the address: the other memory is as far off alignment.
        """
        self._into(self._gpu.empty_like(self._out))

    def _into(self, out: Array) -> None:
        with self._gpu._active():
            self._gpu.blas.multiply(self._a, self._b, out, *self._how)


class _Graph:
    """Calls captured as a CUDA graph; it holds them, and so the arrays they work on.

    Where it is replayed often, so are graphs of many repeats of them: what changes from one to the
    next, they read from the device.
    """

    def __init__(self, gpu: CupyGpu, calls: Sequence[Recorded]) -> None:
        self._gpu, self._calls = gpu, tuple(calls)
        self._uses = [use_of(gpu, own) for own in calls]
        self._rehearse()
        self._once = self._captured(1)
        wanted = LONG_GRAPH_NODES // len(self._calls)
        self._repeats = min(max(wanted, FEWEST_REPEATS), MOST_REPEATS)

    def replay(self, times: int) -> None:
        """Launch the graphs, so many times in all; nothing waits for them."""
        long, rest = divmod(times, self._repeats)
        with self._gpu._active():
            for _ in range(long):
                self._many.launch(self._gpu.stream)
            for _ in range(rest):
                self._once.launch(self._gpu.stream)

    def _rehearse(self) -> None:
        """Make every product where it will be made, after and before whatever else is queued.

        A graph that was launched may be using the workspace of a branch.
        """
        twice = in_branches(self._uses, 2)
        for number, branch in sorted({(own.call, own.branch) for own in twice}):
            call = self._calls[number].call
            if isinstance(call, _Product):
                self._join(branch, 0)
                with self._gpu.on_branch(branch):
                    call.rehearse()
                self._join(0, branch)

    @cached_property
    def _many(self) -> Any:
        return self._captured(self._repeats)

    def _captured(self, times: int) -> Any:
        """Return a graph of the calls, so many times one after the other."""
        places = in_branches(self._uses, times)
        sides = sorted({place.branch for place in places} - {0})
        main = self._gpu.stream
        with self._gpu._active():
            main.begin_capture()
            try:
                for side in sides:
                    self._join(side, 0)
                self._put(places)
            finally:
                for side in sides:
                    self._join(0, side)
                graph = main.end_capture()
        return graph

    def _put(self, places: Sequence[Place]) -> None:
        """Put every call into its branch, after what it waits for."""
        events: dict[int, Any] = {}
        for number, place in enumerate(places):
            with self._gpu.on_branch(place.branch) as stream:
                for other in place.waits:
                    stream.wait_event(events[other])
                self._calls[place.call].call()
                if place.awaited:
                    events[number] = _recorded_event(stream)

    def _join(self, branch: int, other: int) -> None:
        """Let a branch wait for all that is in another one."""
        if branch == other:
            return
        with self._gpu.on_branch(other) as stream:
            event = _recorded_event(stream)
        with self._gpu.on_branch(branch) as stream:
            stream.wait_event(event)


def _recorded_event(stream: Any) -> Any:
    event = cupy.cuda.Event(disable_timing=True)
    event.record(stream)
    return event


class CopiedAhead:
    """A `Ring`: rows in pinned memory, or brought there, and copied on a second stream.

    Slot s of the order lies in place s % slots. A copy into it waits on the device for the release
    of slot s − slots; work on it waits on the device for the copy; only pinned memory that is still
    being read makes the host wait.
    """

    def __init__(self, gpu: CupyGpu, x: NDArray[Any], slot_rows: int, slots: int) -> None:
        dtype = known_to_kernels(x[:0]).dtype
        self._gpu, self._x, self.slot_rows, self._slots = gpu, x, slot_rows, slots
        self.rows = gpu.empty((slots * slot_rows, x.shape[1]), dtype.name)
        with gpu._active():
            self._copied = [cupy.cuda.Event(disable_timing=True) for _ in range(slots)]
            self._released = [cupy.cuda.Event(disable_timing=True) for _ in range(slots)]
        self._order: NDArray[Any] | range = range(0)
        self._next, self._as_it_is = 0, False

    def start(
        self, order: NDArray[Any] | range, slot: int = 0, source: NDArray[Any] | None = None
    ) -> None:
        """Begin with this slot of an order."""
        self._order, self._next = order, slot
        self._x = self._x if source is None else source
        with self._gpu._active():
            self._as_it_is = (
                isinstance(order, range)
                and self._x.dtype == self.rows.dtype
                and _is_pinned(self._x)
            )
            for event in self._released:
                event.record(self._gpu.stream)

    def acquire(self, slot: int) -> None:
        """Make what is queued from now on wait until this slot has come."""
        with self._gpu._active():
            self._send_up_to(slot)
            self._gpu.stream.wait_event(self._copied[slot % self._slots])

    def release(self, slot: int) -> None:
        """Let later rows come once what is queued so far is done with this slot."""
        with self._gpu._active():
            self._released[slot % self._slots].record(self._gpu.stream)
            self._send_up_to(slot + self._slots)

    def _send_up_to(self, slot: int) -> None:
        while self._next <= slot and self._next * self.slot_rows < len(self._order):
            self._send(self._next)
            self._next += 1

    def _send(self, slot: int) -> None:
        place, copies = slot % self._slots, self._gpu._copies
        numbers = self._order[slot * self.slot_rows : (slot + 1) * self.slot_rows]
        rows = self._in_pinned_memory(numbers, place)
        copies.wait_event(self._released[place])
        first = place * self.slot_rows
        self.rows[first : first + len(rows)].set(rows, stream=copies)
        self._copied[place].record(copies)

    def _in_pinned_memory(self, numbers: NDArray[Any] | range, place: int) -> NDArray[Any]:
        """Return rows where they are, or bring them to the pinned memory of a place."""
        following = slice(numbers.start, numbers.stop) if isinstance(numbers, range) else None
        if following and self._as_it_is:
            return self._x[following]
        self._copied[place].synchronize()
        pinned = self._pinned[place][: len(numbers)]
        if following:
            pinned[...] = self._x[following]
        elif pinned.dtype == self._x.dtype:
            np.take(self._x, numbers, axis=0, out=pinned, mode="clip")  # "raise" would copy twice
        else:
            pinned[...] = self._x[numbers]
        return pinned

    @cached_property
    def _pinned(self) -> list[NDArray[Any]]:
        shape = (self.slot_rows, self.rows.shape[1])
        return [cupyx.empty_pinned(shape, self.rows.dtype) for _ in range(self._slots)]


def _is_pinned(host: NDArray[Any]) -> bool:
    """Whether a device can read all of an array by itself, whoever pinned its memory."""
    if not (host.size and host.flags.c_contiguous):
        return False
    first = host.ctypes.data
    attributes = cupy.cuda.runtime.pointerGetAttributes
    return all(attributes(own).type == PINNED for own in (first, first + host.nbytes - 1))


def _cuda_major() -> int:
    return int(cupy.cuda.runtime.runtimeGetVersion()) // 1000


def _argument(dtype: str, value: Any) -> Any:
    if value is None:
        return np.uint64(0)
    return value if isinstance(value, cupy.ndarray) else np.dtype(dtype).type(value)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
