"""Values out of HDF5 files that have passed the guard."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.files.limits import check_memory
from gpuae.storage.hdf5 import boxes, guard, listing
from gpuae.storage.hdf5.nodes import ADVICE, Dataset, File, Group, Item
from gpuae.storage.hdf5.strings import read_text
from gpuae.storage.rows import lost_pages, row_types

Scalar: TypeAlias = str | int | float

MAX_ATTRIBUTE_VALUES = 16
MOST_ATTRIBUTES = 1000
MAX_ATTRIBUTE_TEXT = 64 << 20
"""Characters of all root attributes together."""


def root_attributes(file: File) -> dict[str, Scalar]:
    """Return the root attributes that are single strings or numbers.

    Of a great many, only those that tell a file of gpuae's from others.
    """
    count, names = file.root.attribute_names(MOST_ATTRIBUTES)
    values: dict[str, Scalar] = {}
    characters = 0
    for name in names if count <= MOST_ATTRIBUTES else file_format.STANDARD_ATTRIBUTES:
        value = None if name is None else attribute(file.root, name)
        if name is not None and isinstance(value, str | int | float):
            values[name] = value
            characters += len(str(value))
        if characters > MAX_ATTRIBUTE_TEXT:  # many may point to one long text
            raise InputError(
                f"{file.path}: its attributes hold over {MAX_ATTRIBUTE_TEXT >> 20} MiB of "
                "text; delete those that are not needed"
            )
    return values


def refuse_unfinished(file: File) -> None:
    """Refuse a file of gpuae's that was not completed: some of its rows were never written.

    Raises
    ------
    InputError
        With what to do.
    """
    if attribute(file.root, file_format.CONTENT_SHA256) == file_format.HASH_TO_COME:
        raise InputError(
            f"{file.path}: is not complete, since its making was interrupted; give that "
            "command again, of encode with --resume"
        )


def attribute(owner: Item, name: str) -> Scalar | tuple[Scalar, ...] | None:
    """Return an attribute as a scalar or a tuple of them; None if absent or of another kind."""
    found = owner.attribute(name)
    if found is None or found.values is None or found.shape is None:  # PyTables' hold nothing
        return None
    many = len(found.shape) > 1 or math.prod(found.shape) > MAX_ATTRIBUTE_VALUES
    if many or found.type.kind not in ("integer", "float", "string"):
        return None
    errors = "surrogateescape" if found.type.is_text_of_any_length else "replace"
    plain = found.values.tolist()
    listed = plain if isinstance(plain, list) else [plain]
    values = tuple(v.decode("utf-8", errors) if isinstance(v, bytes) else v for v in listed)
    if not all(isinstance(value, str | int | float) for value in values):
        return None  # wider floats, say
    return values if isinstance(plain, list) else values[0]


def dataset_at(file: File, inner: str) -> Dataset:
    """Return the dataset at `inner` after the guard has passed it.

    Raises
    ------
    InputError
        When it is missing, with a list of those in the file, or when the guard refuses it.
    """
    found = file.find(inner)
    if not isinstance(found, Dataset):
        what = "is a group" if isinstance(found, Group) else "is not in the file"
        raise InputError(f"{file.where(inner)}: {what}; {listing.candidates(file)}")
    guard.check_dataset(found)
    return found


def group_at(file: File, inner: str) -> Group:
    """Return the group at `inner`.

    Raises
    ------
    InputError
        When there is none.
    """
    found = file.find(inner)
    if not isinstance(found, Group):
        what = "is a dataset, not a group" if found is not None else "is not in the file"
        raise InputError(f"{file.where(inner)}: {what}; copy the file or make it again")
    return found


def required_array(file: File, inner: str) -> NDArray[Any]:
    """Return the numbers at `inner` in memory."""
    return _in_memory(dataset_at(file, inner))


def optional_array(file: File, inner: str) -> NDArray[Any] | None:
    """Return the numbers or strings at `inner` in memory; None where there are none."""
    if file.find(inner) is None:
        return None
    dataset = dataset_at(file, inner)
    return read_text(dataset) if dataset.type.is_text else _in_memory(dataset)


def _in_memory(dataset: Dataset) -> NDArray[Any]:
    values = read_array(dataset)
    check_memory(values.nbytes, dataset.where, "give a smaller file")
    return np.array(values)


def read_array(dataset: Dataset) -> NDArray[Any]:
    """Return the numbers of a guarded dataset of any shape, in their stored type.

    A read-only memory map where the values lie in the file as NumPy needs them, else in memory.

    Raises
    ------
    InputError
        For anything but numbers, and for more than this machine's memory.
    """
    target = row_types.stored_type(dataset.dtype, dataset.where)
    if can_be_mapped(dataset, target):
        return _mapped(dataset, target)
    check_memory(dataset.size * target.itemsize, dataset.where)
    return boxes.read_box(dataset).astype(target, copy=False)


def can_be_mapped(dataset: Dataset, target: np.dtype[Any]) -> bool:
    """Whether the values lie in the file as NumPy needs them."""
    if dataset.file.content is None or dataset.offset is None or dataset.chunks is not None:
        return False
    if dataset.size == 0 or dataset.ndim == 0 or not dataset.type.plain:
        return False
    return dataset.dtype == target and dataset.offset % target.itemsize == 0


def _mapped(dataset: Dataset, target: np.dtype[Any]) -> NDArray[Any]:
    """Map a dataset that the guard has found to lie in the file as a whole."""
    file = dataset.file.content
    if file is None:
        raise RuntimeError(f"{dataset.where} can only be asked for")
    dataset.file.check_unchanged(dataset.where)
    with file.stream() as content:
        try:
            values = np.memmap(content, target, "r", dataset.offset or 0, dataset.shape)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{dataset.where}: cannot be read, it is cut short ({error}); {ADVICE}"
            ) from None
    return lost_pages.watch(values, str(file))
