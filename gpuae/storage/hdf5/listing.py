"""Which datasets an HDF5 file holds, and which of them can be rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import h5py
from h5py import h5o

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard
from gpuae.storage.rows import row_types

MAX_CANDIDATES = 20
MAX_DEPTH = 32
MOST_OBJECTS = 5000
"""Groups and datasets that are looked at in a file."""


def datasets(file: h5py.File, seen: set[int] | None = None) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the path and dataset of datasets in name order; hard links can form cycles.

    Parameters
    ----------
    seen
        Is given the addresses of what was looked at: of a large file `MOST_OBJECTS` and not all.
    """
    seen = set() if seen is None else seen
    with guard.hdf5_errors(file.filename):
        seen.add(h5o.get_info(file.id).addr)
    return _below(file, file, "", seen)


def candidates(file: h5py.File) -> str:
    """Return a half sentence that lists the matrices in `file` as `file.h5::/path (shape) type`."""
    matrices = (
        f"{guard.name_of(file, inner)} {dataset.shape} {dataset.dtype}"
        for inner, dataset in datasets(file)
        if _is_matrix(dataset, inner)
    )
    found = list(islice(matrices, MAX_CANDIDATES + 1))
    if not found:
        return "no numeric dataset of rows and columns was found in it"
    more = ", and more" if len(found) > MAX_CANDIDATES else ""
    return f"the numeric datasets in the file are {', '.join(found[:MAX_CANDIDATES])}{more}"


def _below(
    file: h5py.File, group: h5py.Group, prefix: str, seen: set[int]
) -> Iterator[tuple[str, h5py.Dataset]]:
    with guard.hdf5_errors(guard.name_of(file, prefix)):
        names = [name for name in islice(group, MOST_OBJECTS) if isinstance(name, str)]
    for name in names:
        if len(seen) > MOST_OBJECTS:
            return
        inner = f"{prefix}/{name}"
        item = _unseen(file, group, name, inner, seen)
        if isinstance(item, h5py.Group) and inner.count("/") < MAX_DEPTH:
            yield from _below(file, item, inner, seen)
        elif isinstance(item, h5py.Dataset):
            yield inner, item


def _unseen(
    file: h5py.File, group: h5py.Group, name: str, inner: str, seen: set[int]
) -> h5py.Group | h5py.Dataset | None:
    """Return the object behind a hard link the first time it is met.

    What cannot be opened is left out: a list for choosing from needs only what can be chosen.
    """
    try:
        item = guard.child(group, name, guard.name_of(file, inner))
        with guard.hdf5_errors(guard.name_of(file, inner)):
            address = h5o.get_info(item.id).addr if item is not None else None
    except InputError:
        return None
    if address is None or address in seen:
        return None
    seen.add(address)
    return item


def _is_matrix(dataset: h5py.Dataset, inner: str) -> bool:
    try:
        guard.check_dataset(dataset, inner)
        row_types.stored_type(guard.value_type(dataset, inner), inner)
        row_types.check_row_shape(dataset.shape, inner)
    except InputError:
        return False
    return True
