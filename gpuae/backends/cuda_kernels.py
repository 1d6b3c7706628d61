"""The table of CUDA kernels: one row each, from which they are compiled, checked and launched.

A parameter is written as in the source, with the shape that its array must have: a product of other
parameters, or `*` where the launcher answers for it. `Type?` is a pointer that may be null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Threads of a block."""
TILE_COLUMNS = 128
"""Columns of a tile of kernels that sum over rows."""
SUM_TILE = 4096
"""Elements of a tile of flat sums."""

DTYPES = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "signed char": "int8",
    "short": "int16",
    "int": "int32",
    "Index": "int64",
    "unsigned char": "uint8",
    "unsigned short": "uint16",
    "unsigned": "uint32",
    "unsigned long long": "uint64",
}
"""NumPy's name of each C type."""
C_TYPES = {dtype: c_type for c_type, dtype in DTYPES.items()}

_PARAMETER = re.compile(
    r"(?P<const>const )?(?P<type>[\w ]+?)(?P<pointer>\*\??)? (?P<name>\w+)(?: \((?P<shape>.+)\))?"
)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel, before template types are filled in."""

    name: str
    type: str
    const: bool
    pointer: bool
    nullable: bool
    shape: tuple[str, ...] | None
    """Names of other parameters whose product is the array's size; None where it is free."""

    @classmethod
    def parse(cls, text: str) -> Parameter:
        """Read `const Real* bias (columns)`."""
        found = _PARAMETER.fullmatch(text)
        if found is None:
            raise ValueError(f"no parameter: {text}")
        shape = None if found["shape"] in (None, "*") else tuple(found["shape"].split(", "))
        pointer = found["pointer"] or ""
        return cls(
            name=found["name"],
            type=found["type"],
            const=bool(found["const"]),
            pointer=bool(pointer),
            nullable=pointer.endswith("?"),
            shape=shape,
        )


@dataclass(frozen=True)
class Kernel:
    """A row of the table.

    Attributes
    ----------
    file
        In the package `gpuae.kernels`.
    template
        Names of the template's parameters.
    instances
        All C++ arguments that the template is meant for.
    signature
        The parameters, each as `Parameter.parse` reads it.
    shared
        Bytes of shared memory.
    """

    name: str
    file: str
    template: tuple[str, ...]
    instances: tuple[tuple[str, ...], ...]
    signature: tuple[str, ...]
    block: int = BLOCK
    shared: int = 0

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in their order."""
        return tuple(Parameter.parse(text) for text in self.signature)

    def expression(self, instance: tuple[str, ...]) -> str:
        """Return the C++ name of an instance."""
        return f"{self.name}<{', '.join(instance)}>" if instance else self.name

    def c_type(self, parameter: Parameter, instance: tuple[str, ...]) -> str:
        """Return a parameter's type in C++, without const and pointer."""
        return dict(zip(self.template, instance, strict=True)).get(parameter.type, parameter.type)

    def declaration(self, instance: tuple[str, ...]) -> str:
        """Return what the compiler must know the instance as, parameters and all."""
        types = [
            f"{'const ' if own.const else ''}{self.c_type(own, instance)}"
            f"{'*' if own.pointer else ''}"
            for own in self.parameters
        ]
        prefix = "template __global__" if instance else "__global__"
        return f"{prefix} void {self.expression(instance)}({', '.join(types)});"


REALS = (("float",), ("double",))
ACTIVATIONS = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "identity": "Identity",
}
"""C++ name of each activation."""
NOISES = {"gaussian": "Gaussian", "masking": "Masking", "salt_pepper": "SaltPepper"}
"""C++ name of each kind of noise."""
LOSSES = ("CrossEntropy", *(f"SquaredError<{own}>" for own in ACTIVATIONS.values()))


def loss_type(loss: str, activation: str) -> str:
    """Return the C++ name of a loss with the output's activation."""
    return "CrossEntropy" if loss == "bce" else f"SquaredError<{ACTIVATIONS[activation]}>"


def _with(kinds: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((real, kind) for (real,), kind in product(REALS, kinds))


_SOURCES = {
    "float": ("unsigned char", "unsigned short", "signed char", "short", "float"),
    "double": ("unsigned", "unsigned long long", "int", "Index", "double"),
}
"""Types of data that are scaled in float32 for a float32 network, and those that are not."""
_GATHERS = (
    *((source, "float", "float") for source in _SOURCES["float"]),
    *((source, "double", "float") for source in _SOURCES["double"]),
    *((source, "double", "double") for sources in _SOURCES.values() for source in sources),
)
_F = tuple(ACTIVATIONS.values())
_COLUMN_BYTES = 8 * TILE_COLUMNS * 8
_BLOCK_SUM_BYTES = 8 * 8
_BATCH = ("Index rows", "Index columns")
_SCALING = (
    "const Source* source (*)",
    "const Number* center (columns)",
    "const Number* factor (columns)",
    "Number low",
    "Number high",
)
_PLACES = ("const Index* places (*)", "const Index* counters (*)", "Index first")
_NUMBERS = ("const Index* numbers (*)", "const Index* counters (*)", "Index first")
_DROPOUT = (
    *_NUMBERS,
    "unsigned long long seed",
    "unsigned stream",
    "unsigned long long threshold",
    "Real kept",
)

KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "gather",
            "rows.cu",
            ("Source", "Number", "Real"),
            _GATHERS,
            (*_PLACES, *_SCALING, "Real* out (rows, columns)", *_BATCH),
        ),
        Kernel(
            "corrupt",
            "rows.cu",
            ("Real", "Kind"),
            _with(tuple(NOISES.values())),
            (
                *_NUMBERS,
                "unsigned long long seed",
                "Real level",
                "unsigned long long threshold",
                "const Real* low (columns)",
                "const Real* high (columns)",
                "const Real* x (rows, columns)",
                "Real* noisy (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "gather_corrupt",
            "rows.cu",
            ("Source", "Number", "Real", "Kind"),
            tuple((*own, kind) for own in _GATHERS for kind in NOISES.values()),
            (
                "const Index* places (*)",
                *_NUMBERS,
                *_SCALING,
                "unsigned long long seed",
                "Real level",
                "unsigned long long threshold",
                "const Real* lowest (columns)",
                "const Real* highest (columns)",
                "Real* out (rows, columns)",
                "Real* noisy (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "dropout_mask",
            "rows.cu",
            ("Real",),
            REALS,
            (*_DROPOUT, "bool combine", "Real* mask (rows, columns)", *_BATCH),
        ),
        Kernel(
            "unscale",
            "rows.cu",
            ("Real", "Number"),
            (("float", "float"), ("float", "double"), ("double", "double")),
            (
                "const Real* x (rows, columns)",
                "const Number* center (columns)",
                "const Number* factor (columns)",
                "Number* out (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "bias_activation",
            "forward.cu",
            ("Real", "F"),
            _with(_F),
            ("Real* z (rows, columns)", "const Real* bias (columns)", *_BATCH),
        ),
        Kernel(
            "bias_activation_dropout",
            "forward.cu",
            ("Real", "F"),
            _with(_F),
            (
                *_DROPOUT,
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "Real* mask (rows, columns)",
                "Real* out (rows, columns)",
                *_BATCH,
            ),
        ),
        Kernel(
            "multiply",
            "forward.cu",
            ("Real",),
            REALS,
            (
                "const Real* a (count)",
                "const Real* mask (count)",
                "Real* out (count)",
                "Index count",
            ),
        ),
        Kernel(
            "topk_mask",
            "forward.cu",
            ("Real",),
            REALS,
            ("const Real* a (rows, columns)", "Index k", "Real* mask (rows, columns)", *_BATCH),
        ),
        Kernel(
            "row_errors",
            "forward.cu",
            ("Real",),
            REALS,
            (
                "const Real* output (rows, columns)",
                "const Real* target (rows, columns)",
                "double* errors (rows)",
                *_BATCH,
            ),
        ),
        Kernel(
            "output_loss",
            "backward.cu",
            ("Real", "Loss"),
            _with(LOSSES),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                "Index strip",
                "double* losses (*)",
                *_BATCH,
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "output_delta",
            "backward.cu",
            ("Real", "Loss"),
            _with(LOSSES),
            (
                "Real* z (rows, columns)",
                "const Real* bias (columns)",
                "const Real* target (rows, columns)",
                "Real factor",
                "Index strip",
                "double* losses (*)",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "hidden_delta",
            "backward.cu",
            ("Real", "F"),
            _with(_F),
            (
                "Real* delta (rows, columns)",
                "const Real* a (rows, columns)",
                "const Real*? mask (rows, columns)",
                "const Real*? slope (columns)",
                "Real l1",
                "Index strip",
                "Real* column_sums (*)",
                *_BATCH,
            ),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "kl_slope",
            "backward.cu",
            ("Real",),
            REALS,
            (
                "const double* sums (columns)",
                "double rows",
                "double rho",
                "double beta",
                "bool signed_units",
                "Real* slope (columns)",
                "double* total (*)",
                "Index columns",
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "column_sums",
            "sums.cu",
            ("Real",),
            REALS,
            ("const Real* a (rows, columns)", "Index strip", "double* partials (*)", *_BATCH),
            shared=_COLUMN_BYTES,
        ),
        Kernel(
            "sum_of",
            "sums.cu",
            ("Real", "Term"),
            _with(("Absolute", "Product")),
            (
                "const Real* x (count)",
                "const Real* y (count)",
                "double* partials (*)",
                "Index count",
            ),
            shared=_BLOCK_SUM_BYTES,
        ),
        Kernel(
            "finish",
            "sums.cu",
            ("T",),
            REALS,
            (
                "const T*? columns (*)",
                "Index strips",
                "Index stride",
                "T*? out (width)",
                "bool add_to_out",
                "Index width",
                "const double*? partials (*)",
                "Index tiles",
                "double factor",
                "double*? total (*)",
                "bool add_to_total",
            ),
            shared=BLOCK * 8,
        ),
        Kernel(
            "adam",
            "parameters.cu",
            ("Real",),
            REALS,
            (
                "Real* w (count)",
                "const Real* g (count)",
                "Real* first (count)",
                "Real* second (count)",
                "const Index* counters (*)",
                "const double* rate (*)",
                "Real decay",
                "Index count",
            ),
            shared=2 * 8,
        ),
        Kernel(
            "sgd",
            "parameters.cu",
            ("Real",),
            REALS,
            (
                "Real* w (count)",
                "const Real* g (count)",
                "Real* velocity (count)",
                "const double* rate (*)",
                "Real momentum",
                "Real decay",
                "Index count",
            ),
        ),
        Kernel(
            "axpby",
            "parameters.cu",
            ("Real",),
            REALS,
            ("Real alpha", "const Real* x (count)", "Real beta", "Real* y (count)", "Index count"),
        ),
        Kernel(
            "fill",
            "parameters.cu",
            ("Real",),
            REALS,
            ("Real* x (count)", "Real value", "Index count"),
        ),
        Kernel(
            "start_epoch",
            "parameters.cu",
            (),
            ((),),
            (
                "Index* counters (*)",
                "double* rate (*)",
                "Index epoch",
                "Index row_base",
                "double new_rate",
            ),
        ),
        Kernel("advance", "parameters.cu", (), ((),), ("Index* counters (*)", "Index rows")),
    )
}
"""All kernels by name."""


def known_to_kernels(host: NDArray[Any]) -> NDArray[Any]:
    """Return an array as a type that kernels know, contiguous and in the machine's byte order."""
    host = host.view(np.ndarray)
    if host.dtype == np.float16:
        return host.astype(np.float32)
    if host.dtype == np.bool_:
        return np.ascontiguousarray(host).view(np.uint8)
    dtype = host.dtype.newbyteorder("=")
    if dtype.name not in DTYPES.values():
        dtype = np.dtype(np.float64)
    return np.ascontiguousarray(host, dtype)


def instance_of(kernel: Kernel, **arguments: str) -> tuple[str, ...]:
    """Return the template's arguments in their order; a NumPy dtype's name stands for its type.

    Raises
    ------
    ValueError
        Where the kernel has no such instance.
    """
    named = {name: C_TYPES.get(value, value) for name, value in arguments.items()}
    instance = tuple(named[name] for name in kernel.template)
    if instance not in kernel.instances:
        raise ValueError(f"kernel {kernel.name} does not exist for {', '.join(instance)}")
    return instance


def checked_arguments(
    kernel: Kernel, instance: tuple[str, ...], arguments: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Return each argument in its order with its dtype; arrays remain arrays.

    Raises
    ------
    TypeError
        Where a name is missing or too many, or an array has another dtype.
    ValueError
        Where an array is null, not contiguous, or of another size than its shape says.
    """
    names = [own.name for own in kernel.parameters]
    if set(names) != set(arguments):
        wrong = ", ".join(sorted(set(names) ^ set(arguments)))
        raise TypeError(f"kernel {kernel.name}: missing or unknown arguments: {wrong}")
    checked = []
    for own in kernel.parameters:
        dtype, value = DTYPES[kernel.c_type(own, instance)], arguments[own.name]
        if own.pointer:
            _check_array(kernel, own, dtype, value, arguments)
        checked.append((dtype, value))
    return checked


def _check_array(
    kernel: Kernel, own: Parameter, dtype: str, array: Any, arguments: Mapping[str, Any]
) -> None:
    where = f"kernel {kernel.name}: {own.name}"
    if array is None:
        if not own.nullable:
            raise ValueError(f"{where} is missing")
        return
    if array.dtype.name != dtype:
        raise TypeError(f"{where} is {array.dtype.name}, not {dtype}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{where} is not contiguous")
    if own.shape is not None:
        size = 1
        for name in own.shape:
            size *= int(arguments[name])
        if array.size != size:
            raise ValueError(f"{where} has {array.size} elements, not {size}")
