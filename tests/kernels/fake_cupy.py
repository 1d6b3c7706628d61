"""As much of CuPy and cuBLAS as gpuae uses, on the CPU, as unforgiving as a GPU is.

Streams do nothing before they have to, or one of them does everything at once: whoever does not
wait for an event sees memory too early or too late. What CUDA forbids during capture is an error.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np
from host_gpu import C, entry_name, factor, free_order

from gpuae.backends.cuda_kernels import KERNELS


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class CompileException(Exception):
    """As CuPy's, which is no RuntimeError."""


class Token:
    """One record of an event."""

    def __init__(self, stream):
        self.stream, self.done = stream, False

    def force(self):
        """Let its stream come to it."""
        while not self.done:
            self.stream.run_one()


class Node:
    """Work that was captured, on a stream, and the nodes that it waits for."""

    def __init__(self, capture, stream, work, waits):
        self.capture, self.stream, self.work, self.waits = capture, stream, work, waits
        capture.nodes.append(self)


class Capture:
    """What streams are captured into: the one that it began with, and those that have joined."""

    def __init__(self, origin):
        self.origin, self.nodes, self.tails = origin, [], {origin: set()}

    def put(self, stream, work):
        """Add work after all that the stream waits for."""
        self.tails[stream] = {Node(self, stream, work, self.tails[stream])}

    def end(self):
        """Return the graph; every stream that joined has to be waited for."""
        met, left = set(), list(self.tails[self.origin])
        while left:
            node = left.pop()
            if node not in met:
                met.add(node)
                left.extend(node.waits)
        assert met == set(self.nodes), "a stream was captured and not waited for"
        for stream in self.tails:
            stream.capture = None
        return Graph(self.nodes)


class Event:
    """The last record counts, at the time when somebody waits for it."""

    def __init__(self, disable_timing=False):
        self.token = None
        self.captured = None

    def record(self, stream):
        if stream.capture is not None:
            self.captured = stream.capture, frozenset(stream.capture.tails[stream])
            return
        self.captured, self.token = None, Token(stream)
        stream.put(lambda token=self.token: setattr(token, "done", True))

    def synchronize(self):
        Stream.refuse_capture()
        if self.token:
            self.token.force()


class Stream:
    """Work in order. `eager` names the streams, by number, that do it at once."""

    eager = ()
    all = []
    current = []

    def __init__(self, non_blocking=False):
        assert non_blocking, "a stream that waits for the default stream cannot be captured"
        self.work, self.capture, self.ptr = [], None, 77 + len(Stream.all)
        Stream.all.append(self)

    @staticmethod
    def refuse_capture():
        capturing = any(own.capture is not None for own in Stream.all)
        assert not capturing, "not permitted while a stream is captured"

    @staticmethod
    def of_caller():
        assert Stream.current, "work was put on the default stream"
        return Stream.current[-1]

    def __enter__(self):
        Stream.current.append(self)
        return self

    def __exit__(self, *_):
        Stream.current.pop()

    def put(self, work):
        if self.capture is not None:
            self.capture.put(self, work)
            return
        self.work.append(work)
        if Stream.all.index(self) in Stream.eager:
            self.run()

    def run_one(self):
        self.work.pop(0)()

    def run(self):
        while self.work:
            self.run_one()

    def wait_event(self, event):
        if event.captured:
            capture, nodes = event.captured
            assert capture.origin.capture is capture, "an event of a capture that has ended"
            assert self.capture in (None, capture), "an event of another capture"
            self.capture = capture
            self.capture.tails[self] = self.capture.tails.get(self, set()) | nodes
            return
        assert self.capture is None, "an event from outside the capture"
        if event.token:
            self.put(event.token.force)

    def synchronize(self):
        Stream.refuse_capture()
        self.run()

    def begin_capture(self):
        Stream.refuse_capture()
        self.capture = Capture(self)

    def end_capture(self):
        assert self.capture.origin is self
        return self.capture.end()


class Graph:
    """What was captured. `launched` has the number of nodes of each graph that was launched."""

    launched = []

    def __init__(self, nodes):
        assert nodes, "an empty graph was captured"
        streams = list(dict.fromkeys(node.stream for node in nodes))
        if 0 in Stream.eager:  # else those that were forked come as early as they may
            streams.reverse()
        numbers = {node: number for number, node in enumerate(nodes)}
        waits = [{numbers[other] for other in node.waits} for node in nodes]
        order = free_order([node.stream for node in nodes], waits, streams[::-1])
        self.work = [nodes[number].work for number in order]

    def launch(self, stream):
        Stream.refuse_capture()
        Graph.launched.append(len(self.work))
        for work in self.work:
            stream.put(work)


class Device:
    """Every allocation and launch needs the right one."""

    current = []
    wanted = 0

    def __init__(self, index):
        self.index = index

    def __enter__(self):
        Device.current.append(self.index)

    def __exit__(self, *_):
        Device.current.pop()

    @staticmethod
    def check():
        assert Device.current, "no device was chosen"
        assert Device.current[-1] == Device.wanted


class Array(np.ndarray):
    """Memory of the device."""

    room = 1 << 40
    pool = []
    """All memory: what is freed is still there for work that is queued."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)

    def set(self, host, stream):
        Stream.refuse_capture()
        assert host.flags.c_contiguous
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        pageable = weakref.ref(host)  # nobody keeps a copy
        pinned = host if Pinned.has(host.ctypes.data) else None

        def work():
            source = pageable() if pinned is None else pinned
            assert source is not None, "memory was freed that had still to be copied"
            np.copyto(self.view(np.ndarray), source)

        stream.put(work)

    def get(self, stream, out=None, blocking=True):
        Stream.refuse_capture()
        if out is None:
            stream.run()
            return self.view(np.ndarray).copy()
        assert not blocking
        assert Pinned.has(out.ctypes.data), "CUDA would wait for pageable memory"
        assert (out.shape, out.dtype) == (self.shape, self.dtype)
        out[...] = 7  # whoever does not wait sees it
        kept = weakref.ref(out)

        def work():
            assert kept() is not None, "memory was freed that had still to be written"
            np.copyto(kept(), self.view(np.ndarray))

        stream.put(work)
        return out


class Pinned:
    """Memory of the host that is read and written when the copy is made; none is used again."""

    all = []

    @staticmethod
    def empty(shape, dtype):
        Stream.refuse_capture()
        Pinned.all.append(np.empty(shape, dtype))
        return Pinned.all[-1][...]

    @staticmethod
    def has(address):
        return any(0 <= address - own.ctypes.data < own.nbytes for own in Pinned.all)


def empty(shape, dtype):
    """Allocate on the current device, full of nonsense."""
    Device.check()
    Stream.refuse_capture()
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size > Array.room:
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")
    memory = np.full(size + 512, 0xFF, np.uint8)
    first = -memory.ctypes.data % 512
    buffer = memory[first : first + size].view(dtype).reshape(shape)
    Array.pool.append(buffer)
    return buffer.view(Array)


def module_of(libraries):
    """Return a class that compiles and runs kernels as `cupy.RawModule` does."""

    class RawModule:
        def __init__(self, *, code, options, name_expressions):
            assert options == ("--std=c++17",)
            self.code, self.names = code, name_expressions

        def get_function(self, expression):
            Device.check()
            Stream.refuse_capture()
            if "#error" in self.code:
                raise CompileException("rows.cu(7): error: #error directive\n1 error detected")
            assert expression in self.names
            return Function(libraries, expression)

    return RawModule


class Function:
    """A kernel's instance."""

    num_regs = 32

    def __init__(self, libraries, expression):
        found = [
            (kernel, instance)
            for kernel in KERNELS.values()
            for instance in kernel.instances
            if kernel.expression(instance) == expression
        ]
        (self.kernel, self.instance) = found[0]
        library = libraries[self.kernel.file]
        self.entry = getattr(library, entry_name(self.kernel, self.instance))
        self.entry.restype = ctypes.c_char_p

    def __call__(self, grid, block, args, shared_mem):
        Device.check()
        assert block == (self.kernel.block,)
        assert shared_mem == self.kernel.shared
        assert all(own.dtype.name in C or own.dtype == np.uint64 for own in args)
        given = [
            ctypes.c_void_p(own.ctypes.data) if isinstance(own, Array) else self._scalar(own, place)
            for place, own in enumerate(args)
        ]

        def work(kept=args):
            error = self.entry(grid[0], 0, *given)
            assert error is None, error

        Stream.of_caller().put(work)

    def _scalar(self, value, place):
        if self.kernel.parameters[place].pointer:
            assert value == np.uint64(0)
            return ctypes.c_void_p(None)
        return C[value.dtype.name](value.item())


class Cublas:
    """Matrices by columns, as cuBLAS has them.

    `loaded` has the products, with what their kernels may be chosen by, that were made before;
    `handles` the stream and the workspace of each handle.
    """

    loaded = set()
    handles = []

    def cublasGetProperty(self, part, value):
        value._obj.value = (13, 1, 2)[part]
        return 0

    def cublasCreate_v2(self, handle):
        Cublas.handles.append({})
        handle._obj.value = len(Cublas.handles)
        return 0

    def cublasSetStream_v2(self, handle, stream):
        (own,) = [own for own in Stream.all if own.ptr == stream.value]
        Cublas.handles[handle.value - 1]["stream"] = own
        return 0

    def cublasSetWorkspace_v2(self, handle, workspace, size):
        assert size.value == 32 << 20
        for other in Cublas.handles:
            far = abs(other.get("workspace", -size.value) - workspace.value) >= size.value
            assert far, "two handles have the same workspace"
        Cublas.handles[handle.value - 1]["workspace"] = workspace.value
        return 0

    def cublasSgemm_v2(self, *arguments):
        return self._gemm(ctypes.c_float, "float32", *arguments)

    def cublasDgemm_v2(self, *arguments):
        return self._gemm(ctypes.c_double, "float64", *arguments)

    def cublasGemmEx(self, *arguments):
        *head, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, compute, algorithm = arguments
        assert type_c == 0, "not CUDA_R_32F"
        assert algorithm == -1, "not CUBLAS_GEMM_DEFAULT"
        assert (type_a, type_b, compute) in ((0, 0, 77), (14, 14, 68)), "nothing of ours"
        precision = "tf32" if compute == 77 else "bf16"
        return self._gemm(ctypes.c_float, precision, *head, a, lda, b, ldb, beta, c, ldc)

    def _gemm(self, number, precision, handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, *rest):
        beta, c, ldc = rest
        stream = Cublas.handles[handle.value - 1]["stream"]
        assert stream is Stream.of_caller(), "a handle of another stream"
        if min(lda, ldb, ldc) < 1 or ldc < m:
            return 7
        one, other = alpha._obj.value, beta._obj.value
        places = [own.value % 512 for own in (a, b, c)]
        own = handle.value, number, precision
        chosen_by = (*own, op_a, op_b, m, n, k, lda, ldb, ldc, one, other, *places)
        if stream.capture is None:
            Cublas.loaded.add(chosen_by)
        assert chosen_by in Cublas.loaded, "a kernel was loaded during capture"

        of_factors = ctypes.c_uint16 if precision == "bf16" else number

        def matrix(pointer, rows, columns, distance, number=number):
            size = (columns - 1) * distance + rows
            memory = np.frombuffer((number * size).from_address(pointer.value), number)
            strides = (memory.itemsize, distance * memory.itemsize)
            return np.lib.stride_tricks.as_strided(memory, (rows, columns), strides)

        def work():
            sizes = (k, m) if op_a else (m, k), (n, k) if op_b else (k, n)
            left = factor(matrix(a, *sizes[0], lda, of_factors), precision)
            right = factor(matrix(b, *sizes[1], ldb, of_factors), precision)
            left, right = left.T if op_a else left, right.T if op_b else right
            out = matrix(c, m, n, ldc)
            value = one * (right.T @ left.T).T  # in the order of matrices by rows
            out[...] = value + other * out if other else value

        stream.put(work)
        return 0


def install(monkeypatch, libraries, eager=(), index=0):
    """Put these into the place of CuPy and cuBLAS, for device number `index`."""
    Stream.eager, Stream.all, Stream.current = eager, [], []
    Device.current, Device.wanted, Array.room, Array.pool = [], index, 1 << 40, []
    Graph.launched, Cublas.loaded, Pinned.all = [], set(), []
    Cublas.handles = []
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        cudaDevAttrMultiProcessorCount=16,
        deviceGetAttribute=lambda attribute, index: {16: 1}[attribute],
        getDeviceProperties=lambda index: {"name": b"NVIDIA %d" % index},
        memGetInfo=lambda: (Array.room, Array.room),
        pointerGetAttributes=lambda address: SimpleNamespace(type=int(Pinned.has(address))),
        runtimeGetVersion=lambda: 13000,
    )
    compiler = ModuleType("cupy.cuda.compiler")
    compiler.CompileException = CompileException
    cuda = ModuleType("cupy.cuda")
    cuda.Device, cuda.Stream, cuda.Event, cuda.runtime = Device, Stream, Event, runtime
    cuda.memory, cuda.compiler = SimpleNamespace(OutOfMemoryError=OutOfMemoryError), compiler
    cupy, cupyx = ModuleType("cupy"), ModuleType("cupyx")
    cupy.cuda, cupy.empty, cupy.ndarray = cuda, empty, Array
    cupy.RawModule = module_of(libraries)
    cupy.get_default_memory_pool = lambda: SimpleNamespace(free_bytes=lambda: 0)
    cupyx.empty_pinned = Pinned.empty
    modules = {"cupy": cupy, "cupy.cuda": cuda, "cupy.cuda.compiler": compiler, "cupyx": cupyx}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "gpuae.backends.cupy_gpu", raising=False)
    monkeypatch.setattr("gpuae.backends.cublas.load", lambda major: Cublas())
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: "")


@contextmanager
def nothing_left():
    """At the end no device or stream may be chosen, and no work be left undone."""
    yield
    assert not Device.current
    assert not Stream.current
    assert not any(own.work for own in Stream.all)
