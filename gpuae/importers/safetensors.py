"""Safetensors: a description of named arrays in JSON, and after it their bytes, which are mapped.

The description is preceded by its length, an integer of eight bytes. Each array has its type, its
shape, and where its bytes begin and end behind the description; together these are all bytes, none
of them twice (https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import named_arrays
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import casts, lost_pages, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000
"""Bytes of a description, by the format."""
BFLOAT16 = "BF16"
TYPES = {
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "UI" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    BFLOAT16: "<u2",
}
"""NumPy's names of the types that are read."""
SHOWN = 100
"""Characters of a shape that is refused."""
METADATA = "__metadata__"
"""Texts that describe the file, beside the arrays."""


@dataclass(frozen=True)
class Tensor:
    """What an array in a file is like, and where its bytes are."""

    kind: str
    shape: tuple[int, ...]
    start: int
    """Counted from the beginning of the file."""
    stop: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values as they are stored; that of records where they cannot be read."""
        return np.dtype(TYPES.get(self.kind, "V1"))


def is_safetensors(file: InputFile) -> bool:
    """Whether a file begins as this format does."""
    length = int.from_bytes(file.head[:LENGTH_BYTES], "little")
    return file.head[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{" and length + LENGTH_BYTES <= file.size


def load(file: InputFile, name: str | None, memory: int) -> Dataset:
    """Return the rows in a safetensors file, read in place where their type allows it.

    Parameters
    ----------
    name
        Which array; None where there is one matrix only, or one named x, X or data.
    memory
        Rows of half precision are in memory if they take no more bytes as float32, and else changed
        as they are read.

    Raises
    ------
    InputError
        When the file is damaged or none, or the choice is not clear.
    """
    tensors = _tensors(file)
    chosen = named_arrays.chosen(file.path, tensors, name)
    source, tensor = f"{file}::{chosen}", tensors[chosen]
    values = _mapped(file, tensor, source)
    is_bfloat16 = tensor.kind == BFLOAT16
    x, image_shape = casts.as_rows(values, source, memory, bfloat16=is_bfloat16)
    label = named_arrays.label_name(tensors, chosen, len(x))
    y = None if label is None else _vector(file, tensors[label], source)
    notes = (f"the array {label!r} is taken as the labels y",) if label else ()
    metadata = RowMetadata(y=y, image_shape=image_shape)
    return Dataset(x, source, metadata, file=file, notes=notes)


def _vector(file: InputFile, tensor: Tensor, source: str) -> NDArray[Any]:
    """Return the labels in memory."""
    values = _mapped(file, tensor, source).reshape(-1)
    return casts.from_bfloat16(values) if tensor.kind == BFLOAT16 else np.array(values)


def _mapped(file: InputFile, tensor: Tensor, source: str) -> NDArray[Any]:
    if tensor.kind not in TYPES:
        raise InputError(
            f"{source}: holds {tensor.kind} values where numbers are needed; save it as one of "
            f"{', '.join(TYPES)}"
        )
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, tensor.dtype)  # nothing to map
    content = cast("Any", file.stream())
    mapped: NDArray[Any] = np.memmap(content, tensor.dtype, "r", tensor.start, tensor.shape)
    return lost_pages.watch(mapped, source)


def _tensors(file: InputFile) -> dict[str, Tensor]:
    """Return what the arrays are like, by their names."""
    head = file.read(0, LENGTH_BYTES)
    length = int.from_bytes(head, "little")
    if len(head) < LENGTH_BYTES or length + LENGTH_BYTES > file.size:
        _refuse(file, f"is no such file, or was cut short: it begins with {head.hex(' ')}")
    if length > min(LONGEST_HEADER, limits.current().description_bytes):
        _refuse(file, f"is described by {length} bytes")
    described = _described(file, length)
    first = LENGTH_BYTES + length
    tensors = {
        name: _tensor(file, name, own, first) for name, own in described.items() if name != METADATA
    }
    _check_places(file, tensors, first)
    return tensors


def _described(file: InputFile, length: int) -> dict[str, Any]:
    try:
        text = file.read(LENGTH_BYTES, length).decode()
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        _refuse(file, f"has a description that is no JSON ({error})")
    if not isinstance(found, dict):
        _refuse(file, "has a description that is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which no name may be twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _tensor(file: InputFile, name: str, own: object, first: int) -> Tensor:
    """Return what is said of one array, if it makes sense."""
    said: Mapping[str, Any] = own if isinstance(own, dict) else {}
    kind, shape, places = (said.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(kind, str) and _are_lengths(shape) and _are_lengths(places, 2)):
        _refuse(file, f"describes {name!r} without its type, shape and place")
    size = places[1] - places[0]
    is_possible = row_types.is_possible(shape)
    tensor = Tensor(kind, tuple(shape), first + places[0], first + places[1])
    if not is_possible or (kind in TYPES and math.prod(shape) * tensor.dtype.itemsize != size):
        _refuse(file, f"gives {name!r} {size} bytes for {kind} of shape {str(shape)[:SHOWN]}")
    return tensor


def _are_lengths(value: object, count: int | None = None) -> TypeGuard[list[int]]:
    """Whether it is a list of integers from 0, of so many."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        return False
    return all(type(own) is int and 0 <= own < 1 << 63 for own in value)


def _check_places(file: InputFile, tensors: dict[str, Tensor], first: int) -> None:
    """Refuse arrays that overlap, leave bytes out, or reach beyond the file."""
    end = first
    for name, tensor in sorted(tensors.items(), key=lambda own: (own[1].start, own[1].stop)):
        if tensor.start != end or tensor.stop < tensor.start:
            _refuse(file, f"has bytes that are of no array, or of two, where {name!r} begins")
        end = tensor.stop
    if end != file.size:
        _refuse(file, f"has {file.size} bytes where its arrays end at {end}")


def _refuse(file: InputFile, what: str) -> NoReturn:
    raise InputError(f"{file}: cannot be read as safetensors, it {what}; copy it or save it again")
