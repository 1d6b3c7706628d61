"""Values out of HDF5 files that have passed the guard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5a, h5t
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.files.limits import check_memory
from gpuae.storage.hdf5 import chunks, guard, listing
from gpuae.storage.hdf5.strings import read_text
from gpuae.storage.rows import lost_pages, row_types

Scalar: TypeAlias = str | int | float

MAX_ATTRIBUTE_VALUES = 16
MOST_ATTRIBUTES = 1000
MAX_ATTRIBUTE_TEXT = 64 << 20
"""Characters of all root attributes together."""


def root_attributes(file: h5py.File) -> dict[str, Scalar]:
    """Return the root attributes that are single strings or numbers.

    Where there are more than in any file of gpuae's, those that tell such a file.
    """
    with guard.hdf5_errors(file.filename):
        few = len(file.attrs) <= MOST_ATTRIBUTES
    names = guard.names_in(file.attrs, file.filename) if few else file_format.STANDARD_ATTRIBUTES
    values: dict[str, Scalar] = {}
    characters = 0
    for name in names:
        value = attribute(file, name, file.filename)
        if isinstance(value, str | int | float):
            values[name] = value
            characters += len(str(value))
        if characters > MAX_ATTRIBUTE_TEXT:  # many may point to one long text
            raise InputError(
                f"{file.filename}: its attributes hold over {MAX_ATTRIBUTE_TEXT >> 20} MiB of "
                "text; delete those that are not needed"
            )
    return values


def refuse_unfinished(file: h5py.File) -> None:
    """Refuse a file of gpuae's that its writer did not complete: rows of it were never written.

    Raises
    ------
    InputError
        With what to do.
    """
    if attribute(file, file_format.CONTENT_SHA256, file.filename) == file_format.UNSEALED:
        raise InputError(
            f"{file.filename}: is not complete, since its making was interrupted; give that "
            "command again, of encode with --resume"
        )


def attribute(owner: guard.Item, name: str, source: str) -> Scalar | tuple[Scalar, ...] | None:
    """Return an attribute as a scalar or a tuple of them; None if absent or of another kind."""
    with guard.hdf5_errors(source):
        encoded = name.encode("utf-8", "surrogateescape")
        if not h5a.exists(owner.id, encoded):
            return None
        opened = h5a.open(owner.id, encoded)
        if opened.shape is None:  # holds nothing, as those of PyTables do
            return None
        known = opened.get_type().get_class() in (h5t.INTEGER, h5t.FLOAT, h5t.STRING)
        if not known or len(opened.shape) > 1 or math.prod(opened.shape) > MAX_ATTRIBUTE_VALUES:
            return None
        value = owner.attrs[name]
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    values = tuple(_decoded(item) for item in (plain if isinstance(plain, list) else [plain]))
    if not all(isinstance(item, str | int | float) for item in values):
        return None  # wider floats, say
    return values if isinstance(plain, list) else values[0]


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def dataset_at(file: h5py.File, inner: str) -> h5py.Dataset:
    """Return the dataset at `inner` after the guard has passed it.

    Raises
    ------
    InputError
        When it is missing, naming what there is, or refused by the guard.
    """
    found = guard.find(file, inner)
    source = guard.name_of(file, inner)
    if not isinstance(found, h5py.Dataset):
        what = "is a group" if isinstance(found, h5py.Group) else "is not in the file"
        raise InputError(f"{source}: {what}; {listing.candidates(file)}")
    guard.check_dataset(found, source)
    return found


def group_at(file: h5py.File, inner: str) -> h5py.Group:
    """Return the group at `inner`.

    Raises
    ------
    InputError
        When there is none.
    """
    found = guard.find(file, inner)
    if not isinstance(found, h5py.Group):
        what = "is a dataset, not a group" if found is not None else "is not in the file"
        raise InputError(f"{guard.name_of(file, inner)}: {what}; copy the file or make it again")
    return found


def required_array(file: h5py.File, inner: str) -> NDArray[Any]:
    """Return the numbers at `inner` in memory."""
    return _in_memory(dataset_at(file, inner), guard.name_of(file, inner))


def optional_array(file: h5py.File, inner: str) -> NDArray[Any] | None:
    """Return the numbers or strings at `inner` in memory; None where there are none."""
    if guard.find(file, inner) is None:
        return None
    dataset = dataset_at(file, inner)
    source = guard.name_of(file, inner)
    if h5py.check_string_dtype(guard.value_type(dataset, source)) is not None:
        return read_text(dataset, source)
    return _in_memory(dataset, source)


def _in_memory(dataset: h5py.Dataset, source: str) -> NDArray[Any]:
    values = read_array(dataset, source)
    check_memory(values.nbytes, source, "give a smaller file")
    return np.array(values)


def read_array(dataset: h5py.Dataset, source: str) -> NDArray[Any]:
    """Return the numbers of a guarded dataset of any shape, in their stored type.

    A read-only memory map where the values lie in the file as NumPy needs them, else in memory.

    Raises
    ------
    InputError
        For anything but numbers, and for more than this machine's memory.
    """
    target = row_types.stored_type(guard.value_type(dataset, source), source)
    with guard.hdf5_errors(source):
        if can_be_mapped(dataset, target):
            return _mapped(dataset, target)
    check_memory(math.prod(dataset.shape) * target.itemsize, source)
    return chunks.read_box(dataset, source).astype(target, copy=False)


def can_be_mapped(dataset: h5py.Dataset, target: np.dtype[Any]) -> bool:
    """Whether the values lie in the file as NumPy needs them."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.size == 0 or dataset.ndim == 0:
        return False
    same_type = dataset.id.get_type().equal(h5t.py_create(target))
    return bool(same_type) and offset % target.itemsize == 0


def _mapped(dataset: h5py.Dataset, target: np.dtype[Any]) -> NDArray[Any]:
    path = Path(dataset.file.filename)
    offset = dataset.id.get_offset()
    return lost_pages.watch(np.memmap(path, target, "r", offset, dataset.shape), str(path))
