"""A `Gpu` that runs the CUDA sources on the CPU: compiled with g++ through cuda_on_cpu.h."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import subprocess
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from gpuae.backends import cuda_module
from gpuae.backends.cuda_deferred import use_of
from gpuae.backends.cuda_kernel import checked_arguments, known_to_kernels
from gpuae.backends.cuda_kernels import KERNELS
from gpuae.backends.cuda_order import in_branches

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
FLAGS = (
    "-std=c++20",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
)
SANITIZERS = {
    "": ("-O1",),
    "address": ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"),
    "thread": ("-O1", "-fsanitize=thread", "-g"),
}
C = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "bool": ctypes.c_bool,
    "int64": ctypes.c_longlong,
    "uint32": ctypes.c_uint,
    "uint64": ctypes.c_ulonglong,
    **{f"int{bits}": getattr(ctypes, f"c_int{bits}") for bits in (8, 16, 32)},
    **{f"uint{bits}": getattr(ctypes, f"c_uint{bits}") for bits in (8, 16)},
}


def entry_name(kernel, instance):
    """Return the name of the C function that runs an instance."""
    return f"{kernel.name}_{kernel.instances.index(instance)}"


def entry(kernel, instance):
    """Return the C++ text of a function that runs an instance."""
    names = [own.name for own in kernel.parameters]
    declared = ", ".join(
        f"{'const ' if own.const else ''}{kernel.c_type(own, instance)}"
        f"{'*' if own.pointer else ''} {own.name}"
        for own in kernel.parameters
    )
    return (
        f'extern "C" const char* {entry_name(kernel, instance)}'
        f"(int blocks_, int order_, {declared}) {{\n"
        f"    return on_cpu::run(blocks_, {kernel.block}, {kernel.shared}, order_, [=] {{\n"
        f"        {kernel.expression(instance)}({', '.join(names)});\n"
        "    });\n}\n"
    )


def text_of(file):
    """Return what to compile for a file of kernels.

    GPUAE_LEFT_OUT in the environment has beginnings of the instances that are not compiled.
    """
    source = cuda_module.source(file)
    left_out = tuple(os.environ.get("GPUAE_LEFT_OUT", "").split())
    chosen = [
        (kernel, instance)
        for kernel in KERNELS.values()
        if kernel.file == file
        for instance in kernel.instances
        if not kernel.expression(instance).startswith(left_out)
    ]
    declared = [kernel.declaration(instance) for kernel, instance in chosen]
    entries = [entry(kernel, instance) for kernel, instance in chosen]
    return "\n".join([f'#include "{HEADER}"', source, '#line 1 "table"', *declared, *entries])


def compiled(name, text, folder, sanitizer):
    """Compile C++ into a shared library and return its path.

    Raises
    ------
    RuntimeError
        With what the compiler said.
    """
    known = hashlib.sha256(
        (text + HEADER.read_text() + str(FLAGS + SANITIZERS[sanitizer])).encode()
    ).hexdigest()[:16]
    library = Path(folder) / f"{name}-{sanitizer or 'plain'}-{known}.so"
    with library.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits and finds it
        if not library.exists():
            _compile(text, library, sanitizer)
    return library


def _compile(text, library, sanitizer):
    unit = library.with_suffix(f".{os.getpid()}.cpp")
    made = unit.with_suffix(".so")
    unit.write_text(text)
    flags = [*FLAGS, *SANITIZERS[sanitizer], "-shared", "-fPIC"]
    command = ["g++", *flags, str(unit), "-o", str(made)]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    made.replace(library)


class Libraries:
    """The files of kernels as libraries in a folder, each compiled when it is first needed.

    GPUAE_SANITIZER in the environment names a sanitizer, GPUAE_KERNELS a folder of other sources,
    GPUAE_LIBRARIES a folder where compiled ones are kept.
    """

    def __init__(self, folder):
        self._folder, self._loaded = os.environ.get("GPUAE_LIBRARIES", folder), {}
        changed = os.environ.get("GPUAE_KERNELS")
        if changed:
            cuda_module.files = lambda _: Path(changed)

    def __getitem__(self, file):
        if file not in self._loaded:
            self._loaded[file] = self.of(file, text_of(file))
        return self._loaded[file]

    def of(self, name, text):
        """Return C++ text as a library."""
        sanitizer = os.environ.get("GPUAE_SANITIZER", "")
        return ctypes.CDLL(str(compiled(Path(name).stem, text, self._folder, sanitizer)))


SIGNIFICANT_BITS = {"tf32": 11, "bf16": 8}
"""That factors keep, by precision."""


def rounded(factor, precision):
    """Return a factor of a product as tensor cores take it: rounded, ties to even."""
    if precision not in SIGNIFICANT_BITS or factor.dtype != np.float32:
        return factor
    lost = np.uint32(24 - SIGNIFICANT_BITS[precision])
    words = factor.view(np.uint32)
    below_half = np.uint32((1 << (lost - 1)) - 1)
    up = words + below_half + (words >> lost & np.uint32(1))
    near = (up >> lost << lost).view(np.float32)
    return np.where(np.isfinite(factor), near, factor)


def factor(matrix, precision):
    """Return what tensor cores take of a matrix: as it is in bfloat16, or rounded to TF32."""
    if matrix.dtype == np.uint16:
        return (matrix.astype(np.uint32) << np.uint32(16)).view(np.float32)
    assert precision != "bf16" or matrix.dtype != np.float32, "a factor that was not rounded"
    return rounded(matrix, precision)


class HostGpu:
    """Runs kernels with so many blocks at most, in an order of threads: 0, 1, or shuffled by it."""

    name = "cuda on the CPU"

    def __init__(self, libraries, *, blocks=3, order=0, precision="float32"):
        self.libraries, self.precision = libraries, precision
        self.blocks, self.order = blocks, order
        self.bytes = 1 << 40
        self.launched = []

    def session(self):
        return nullcontext()

    def empty(self, shape, dtype):
        buffer = np.empty(shape, dtype)
        buffer.view(np.uint8).fill(0xFF) if buffer.size else None  # NaN, or a wild number
        return buffer

    def upload(self, host):
        return host.copy()

    def write(self, target, host):
        assert target.shape == host.shape
        target[...] = host

    def read(self, array):
        return array.copy()

    def fetch(self, array):
        return array.copy

    def address(self, array):
        return array.ctypes.data

    def room(self):
        return self.bytes

    def ring(self, x, slot_rows, slots):
        return HostRing(x, slot_rows, slots)

    def launch(self, kernel, instance, blocks, arguments):
        function = getattr(self.libraries[kernel.file], entry_name(kernel, instance))
        function.restype = ctypes.c_char_p
        values = []
        for dtype, value in checked_arguments(kernel, instance, arguments):
            pointer = value is None or isinstance(value, np.ndarray)
            if pointer:
                values.append(ctypes.c_void_p(None if value is None else value.ctypes.data))
            else:
                values.append(C[dtype](np.dtype(dtype).type(value).item()))
        kept = dict(arguments)

        def call():
            assert kept
            self.launched.append(kernel.name)
            error = function(blocks, self.order, *values)
            assert error is None, f"kernel {kernel.name}: {error.decode()}"

        return call

    def product(self, a, b, out, transpose_a, transpose_b, accumulate):
        def call():
            self.launched.append("product")
            left, right = (factor(own, self.precision) for own in (a, b))
            value = (left.T if transpose_a else left) @ (right.T if transpose_b else right)
            out[...] = out + value if accumulate else value

        return call

    def program(self, calls):
        return HostProgram(self, calls)


class HostProgram:
    """Makes calls in an order that their branches allow: one branch as far as it can come first.

    What should wait and does not comes too early, or too late.
    """

    REPEATS = 3

    def __init__(self, gpu, calls):
        self._gpu, self._calls = gpu, calls
        self._uses = [use_of(gpu, own) for own in calls]

    def replay(self, times):
        while times and self._calls:
            now = min(times, self.REPEATS)
            places = in_branches(self._uses, now)
            preferred = sorted({own.branch for own in places}, reverse=self._gpu.order % 2 == 0)
            for number in free_order([own.branch for own in places], waits_of(places), preferred):
                self._calls[places[number].call].call()
            times -= now


def waits_of(places):
    """Return what each place waits for: what it says, and the place before it on its branch."""
    last, waits = {}, []
    for number, place in enumerate(places):
        waits.append({*place.waits, *([last[place.branch]] if place.branch in last else [])})
        last[place.branch] = number
    return waits


def free_order(branches, waits, preferred):
    """Return an order of work on branches, those that are preferred as early as they may be."""
    left = {own: [n for n, branch in enumerate(branches) if branch == own] for own in preferred}
    done, order = set(), []
    while len(order) < len(branches):
        heads = [own[0] for own in left.values() if own and waits[own[0]] <= done]
        assert heads, "work waits for itself"
        left[branches[heads[0]]].pop(0)
        done.add(heads[0])
        order.append(heads[0])
    return order


class HostRing:
    """Brings rows at once; forgets those that were released, so that nobody uses them again."""

    def __init__(self, x, slot_rows, slots):
        self.x, self.slot_rows, self.slots = x, slot_rows, slots
        self.rows = np.zeros((slots * slot_rows, x.shape[1]), known_to_kernels(x[:0]).dtype)
        self.order, self.held = np.zeros(0, np.int64), {}

    def start(self, order, slot=0, source=None):
        self.order, self.held = np.asarray(order, np.int64), {}
        self.x = self.x if source is None else source

    def acquire(self, slot):
        place = slot % self.slots
        if self.held.get(place) == slot:
            return
        assert place not in self.held, "a slot was not released"
        numbers = self.order[slot * self.slot_rows : (slot + 1) * self.slot_rows]
        first = place * self.slot_rows
        self.rows[first : first + len(numbers)] = self.x[numbers]
        self.held[place] = slot

    def release(self, slot):
        place = slot % self.slots
        assert self.held.pop(place) == slot
        first = place * self.slot_rows
        self.rows[first : first + self.slot_rows] = 0
