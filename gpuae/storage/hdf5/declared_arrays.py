"""Shape and type of what a file declares, to be checked before any of it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files.limits import check_memory
from gpuae.storage.hdf5 import reading
from gpuae.storage.hdf5.nodes import ADVICE, Dataset, File
from gpuae.storage.rows import row_types


def optional_outline(file: File, inner: str) -> NDArray[Any] | None:
    """Return an array of the shape and type at `inner` that takes no memory; None where none is.

    Raises
    ------
    InputError
        When the guard refuses the dataset, or its values would not fit into memory.
    """
    if file.find(inner) is None:
        return None
    dataset = reading.dataset_at(file, inner)
    dtype = row_types.stored_type(dataset.dtype, dataset.where)
    check_memory(dataset.size * dtype.itemsize, dataset.where, ADVICE)
    return np.broadcast_to(np.zeros((), dtype), dataset.shape)


def check_total(outlines: Iterable[NDArray[Any]], source: str) -> None:
    """Refuse arrays that would not fit into memory together."""
    check_memory(sum(outline.nbytes for outline in outlines), source, ADVICE)


def check_count(file: File, inner: str, count: int, what: str) -> None:
    """Refuse a dataset at `inner`, if there is one, that has not one value for each of `count`.

    Raises
    ------
    InputError
        With its shape.
    """
    found = file.find(inner)
    if isinstance(found, Dataset) and found.shape != (count,):
        raise InputError(
            f"{found.where}: has shape {found.shape} where one value for each of "
            f"the {count} {what} is needed; {ADVICE}"
        )
