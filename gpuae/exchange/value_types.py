"""Types of numbers in files of other programs, by the names that these have for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ValueType:
    """A type of numbers.

    Attributes
    ----------
    safetensors, torch
        Names of it.
    stored
        How NumPy reads it, in little-endian order.
    brain
        Whether these are the upper halves of float32, which NumPy has no type for.
    """

    safetensors: str
    torch: str
    stored: np.dtype[Any]
    brain: bool = False

    @property
    def width(self) -> int:
        """Bytes of a number once it is read."""
        return 4 if self.brain else self.stored.itemsize

    def values(self, content: bytes | memoryview) -> NDArray[Any]:
        """Return the numbers that bytes hold."""
        found = np.frombuffer(content, self.stored)
        if not self.brain:
            return found.astype(self.stored.newbyteorder("="), copy=False)
        return (found.astype(np.uint32) << 16).view(np.float32)


TYPES = (
    ValueType("F64", "DoubleStorage", np.dtype("<f8")),
    ValueType("F32", "FloatStorage", np.dtype("<f4")),
    ValueType("F16", "HalfStorage", np.dtype("<f2")),
    ValueType("BF16", "BFloat16Storage", np.dtype("<u2"), brain=True),
    ValueType("I64", "LongStorage", np.dtype("<i8")),
    ValueType("I32", "IntStorage", np.dtype("<i4")),
    ValueType("I16", "ShortStorage", np.dtype("<i2")),
    ValueType("I8", "CharStorage", np.dtype("i1")),
    ValueType("U8", "ByteStorage", np.dtype("u1")),
    ValueType("BOOL", "BoolStorage", np.dtype("?")),
)
OF_SAFETENSORS = {own.safetensors: own for own in TYPES}
OF_TORCH = {own.torch: own for own in TYPES}
WRITTEN = {own.stored.newbyteorder("="): own for own in TYPES if not own.brain}
"""By NumPy's type."""
