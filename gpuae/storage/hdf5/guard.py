"""What is accepted of a foreign HDF5 file: nothing beyond the file, and no more than it can tell.

A hostile or damaged file can name other files (external links, external storage, virtual
datasets), declare petabytes in a kilobyte, or inflate a thousandfold. Everything here refuses such
content before a byte of it is read.
"""

from __future__ import annotations

import math
import sys

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.hdf5 import filters
from gpuae.storage.hdf5.nodes import ADVICE, Dataset, Group, Item

MOST_NAMES = 10_000
"""In a group, or of attributes, of what has to be walked as a whole."""

WIDEST = 16
"""Bytes of a value in the widest type that values are converted to."""


def names_in(group: Group) -> list[str]:
    """Return the names in a group, in their order; those that are not UTF-8 are left out.

    Nobody could type them.

    Raises
    ------
    InputError
        When there are more than anything that is read here has.
    """
    return _checked(group.where, *group.names(MOST_NAMES))


def attribute_names(owner: Item) -> list[str]:
    """Return the names of attributes, as `names_in` does those in a group."""
    return _checked(owner.where, *owner.attribute_names(MOST_NAMES))


def _checked(where: str, count: int, names: list[str | None]) -> list[str]:
    if count > MOST_NAMES:
        raise InputError(
            f"{where}: has {count} names in it where at most {MOST_NAMES} can be; "
            "make the file again"
        )
    return [name for name in names if name is not None]


def check_dataset(dataset: Dataset) -> None:
    """Refuse a dataset that reaches beyond its file or is larger than the file can tell.

    Raises
    ------
    InputError
        With the property that is not accepted.
    """
    problem = _outside_storage(dataset) or _implausible_size(dataset)
    if problem:
        raise InputError(f"{dataset.where}: {problem}")


def _outside_storage(dataset: Dataset) -> str | None:
    if dataset.is_elsewhere:
        return "keeps its values in other files; copy them into this one"
    if dataset.is_empty:
        return "holds nothing; give a dataset with rows and columns"
    return filters.problem(dataset)


def _implausible_size(dataset: Dataset) -> str | None:
    declared = dataset.size * dataset.type.size
    if declared == 0:
        return _too_wide(dataset)
    if dataset.stored == 0:
        return "was declared but its values were never written; make the file again"
    if dataset.chunks is None:
        return _beyond_file(dataset, declared)
    allowed = limits.current()
    if declared > allowed.free_bytes and declared > allowed.inflation * dataset.stored:
        return (
            f"declares {declared} bytes and stores {dataset.stored}, over {allowed.inflation} "
            f"times less; {limits.ADVICE}"
        )
    if dataset.chunk_bytes > allowed.chunk_bytes:
        return (
            f"has chunks larger than {allowed.chunk_bytes >> 20} MiB; write it with smaller ones, "
            f"or {limits.ADVICE}"
        )
    return None


def _too_wide(dataset: Dataset) -> str | None:
    """Check a dataset of no values: NumPy refuses one whose other dimensions are too large."""
    if math.prod(n for n in dataset.shape if n) * max(dataset.type.size, WIDEST) > sys.maxsize:
        return f"has shape {dataset.shape}, which no memory could hold; make the file again"
    return None


def _beyond_file(dataset: Dataset, declared: int) -> str | None:
    """Check a contiguous or compact dataset, whose values must lie in the file as they are."""
    if dataset.stored < declared or (dataset.offset or 0) + declared > dataset.file.size:
        return f"declares {declared} bytes, more than the file holds; {ADVICE}"
    return None
