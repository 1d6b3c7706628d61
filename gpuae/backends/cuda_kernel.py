"""What a row of the table of CUDA kernels says, and the checks of arguments that follow from it.

A parameter is written as in the source, with the shape that its array must have: a product of other
parameters, or `*` where the launcher answers for it. `Type?` is a pointer that may be null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Threads of a block."""
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

    def reads_and_writes(
        self, arguments: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return the arrays among the arguments that it only reads, and those it writes."""
        given = [own for own in self.parameters if own.pointer and arguments[own.name] is not None]
        return (
            tuple(arguments[own.name] for own in given if own.const),
            tuple(arguments[own.name] for own in given if not own.const),
        )

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
