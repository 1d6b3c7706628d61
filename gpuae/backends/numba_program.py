"""A step's calls of kernels, recorded once and replayed without the interpreter.

A call is two addresses: of an entry, a C function that is compiled for a kernel and the types of
its arguments, and of the arguments themselves, laid out as 64-bit words. A program is a list of
calls. Replaying it costs a few nanoseconds a call and holds no lock.

Threads that replay side by side wait for each other by spinning: compiled code cannot wait for a
Python barrier, and a wait of microseconds is too short to sleep through.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core.ccallback import CFunc
from numba.core.errors import TypingError
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

from gpuae.backends.numba_compile import kernel, use_cache

_WORD = ir.IntType(64)
_SPINS = 4096
"""Looks at a barrier (some ten microseconds) before the core is offered to others."""
_ARRIVED, _GENERATION = 0, 8
"""Places of a barrier's counters, in cache lines of their own."""


class Program:
    """Calls in their order.

    Attributes
    ----------
    calls
        Kernels with their arguments, which are kept alive here.
    entries, places
        Addresses of each call's entry and arguments.
    """

    def __init__(self, calls: list[tuple[Any, tuple[Any, ...]]]) -> None:
        self.calls = calls
        self._words = [np.array(_words(arguments), np.int64) for _, arguments in calls]
        self.entries = np.array(
            [_entry(function, tuple(map(_type_of, arguments))) for function, arguments in calls],
            np.int64,
        )
        self.places = np.array([words.ctypes.data for words in self._words], np.int64)
        self.replay(0)  # compiles: nothing may fail in a thread that others wait for

    def replay(self, times: int) -> None:
        """Make all calls, so many times."""
        _replay(self.entries, self.places, times)


# Entries and their arguments


@cache
def _entry(function: Any, kinds: tuple[Any, ...]) -> int:
    """Return the address of a C function that calls a kernel with arguments of these types."""
    code = FunctionType(
        _call_kernel.__code__, {"function": function, "arguments_at": _arguments_at(kinds)}
    )
    # the cache on disk knows it by this name, which stands for the kernel's code and the types
    name = f"{function.py_func.__module__}.{function.py_func.__qualname__}{kinds}"
    code.__qualname__ = f"entry_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    code.__module__ = __name__
    return int(_compiled(code).address)


def _compiled(code: FunctionType) -> Any:
    compiled = CFunc(code, normalize_signature("void(intp)"), locals={}, options={})
    use_cache(compiled, code)
    compiled.compile()
    return compiled


def _call_kernel(address: int) -> None:
    function(*arguments_at(address))  # type: ignore[name-defined]  # noqa: F821


def _type_of(value: Any) -> Any:
    """Return what `typeof` does, faster for arrays, of which a program has many that are alike."""
    if not isinstance(value, np.ndarray):
        return typeof(value)
    kind = (value.dtype, value.ndim, value.flags.num)
    if kind not in _ARRAY_TYPES:
        _ARRAY_TYPES[kind] = typeof(value)
    return _ARRAY_TYPES[kind]


_ARRAY_TYPES: dict[tuple[np.dtype[Any], int, int], Any] = {}


def _words(value: Any) -> list[int]:
    """Lay out a kernel's argument as `_arguments_at` reads it."""
    if value is None:
        return []
    if isinstance(value, tuple):
        return [word for entry in value for word in _words(entry)]
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, *value.shape, *value.strides]
    if isinstance(value, int):
        return [int(value)]
    scalar = np.zeros(1, np.int64)
    scalar.view(np.asarray(value).dtype)[0] = value
    return [int(scalar[0])]


def _arguments_at(kinds: tuple[Any, ...]) -> Any:
    """Make a compiled function that reads a tuple of arguments from an address."""

    def read(_: Any, address: Any) -> Any:
        signature = types.Tuple(kinds)(address)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            reader = _Reader(context, builder, builder.inttoptr(arguments[0], _WORD.as_pointer()))
            return reader.value(signature.return_type)

        return signature, generate

    return intrinsic(read)


class _Reader:
    """Generates the code that reads one value after the other."""

    def __init__(self, context: Any, builder: Any, words: Any) -> None:
        self._context, self._builder, self._words = context, builder, words
        self._position = 0

    def value(self, kind: Any) -> Any:
        """Read a value of a Numba type."""
        if hasattr(kind, "types"):  # a tuple
            entries = [self.value(entry) for entry in kind.types]
            return self._context.make_tuple(self._builder, kind, entries)
        if isinstance(kind, types.NoneType):
            return self._context.get_dummy_value()
        if isinstance(kind, types.Array):
            return self._array(kind)
        return self._context.data_model_manager[kind].from_data(self._builder, self._word(kind))

    def _array(self, kind: Any) -> Any:
        element = self._context.get_data_type(kind.dtype)
        size = self._context.get_abi_sizeof(element)
        array = self._context.make_array(kind)(self._context, self._builder)
        populate_array(
            array,
            data=self._builder.inttoptr(self._word(types.intp), element.as_pointer()),
            shape=[self._word(types.intp) for _ in range(kind.ndim)],
            strides=[self._word(types.intp) for _ in range(kind.ndim)],
            itemsize=self._context.get_constant(types.intp, size),
            meminfo=None,  # whose memory it is, the program knows
        )
        return array._getvalue()

    def _word(self, kind: Any) -> Any:
        place = self._builder.gep(self._words, [ir.Constant(_WORD, self._position)])
        self._position += 1
        pointer = self._context.get_data_type(kind).as_pointer()
        return self._builder.load(self._builder.bitcast(place, pointer))


def _type_call(_: Any, function: Any, argument: Any) -> Any:
    """Call the function at an address, which takes an address and returns nothing."""
    signature = types.void(function, argument)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_WORD])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])
        return context.get_dummy_value()

    return signature, generate


call: Any = intrinsic(_type_call)


@kernel
def _replay(entries: Any, places: Any, times: int) -> None:
    for _ in range(times):
        for i in range(entries.size):
            call(entries[i], places[i])


# Meetings


def new_barrier() -> NDArray[np.int64]:
    """Return the counters of a barrier."""
    return np.zeros(2 * _GENERATION, np.int64)


def _atomic(operate: Callable[[Any, Any, Any], Any]) -> Any:
    """Make a compiled function of (counters, place, number) that works on one counter at once."""

    def read(_: Any, counters: Any, place: Any, number: Any) -> Any:
        if counters.dtype != types.int64 or counters.layout != "C":
            raise TypingError("counters are a contiguous array of int64")

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array = context.make_array(counters)(context, builder, values[0])
            pointer = builder.gep(array.data, [values[1]])
            return operate(builder, pointer, values[2])

        return types.int64(counters, types.intp, types.int64), generate

    return intrinsic(read)


def _store(builder: Any, pointer: Any, value: Any) -> Any:
    builder.store_atomic(value, pointer, "release", 8)
    return value


_add: Any = _atomic(lambda builder, at, value: builder.atomic_rmw("add", at, value, "acq_rel"))
_load: Any = _atomic(lambda builder, at, value: builder.load_atomic(at, "acquire", 8))
_set: Any = _atomic(_store)


@kernel
def wait_at_barrier(counters: Any, size: int, give_way: int) -> None:
    """Wait until `size` threads are here; `give_way` is the address of `yield_address`."""
    generation = _load(counters, _GENERATION, 0)
    if _add(counters, _ARRIVED, 1) + 1 == size:
        _set(counters, _ARRIVED, 0)
        _set(counters, _GENERATION, generation + 1)
        return
    looks = 0
    while _load(counters, _GENERATION, 0) == generation:
        looks += 1
        if looks > _SPINS:
            call(give_way, 0)


@cache
def yield_address() -> int:
    """Return the address of the system's function that offers the core to another thread."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    address = ctypes.cast(function, ctypes.c_void_p).value
    if address is None:
        raise ImportError("this system has no function to yield the processor with")
    return address
