"""Which datasets an HDF5 file holds, and which of them can be rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard
from gpuae.storage.hdf5.nodes import Dataset, EndedError, File, Group, Item
from gpuae.storage.rows import row_types

MAX_CANDIDATES = 20
MAX_DEPTH = 32
MOST_OBJECTS = 5000
"""Groups and datasets that are looked at in a file."""


def datasets(file: File, seen: set[int] | None = None) -> Iterator[tuple[str, Dataset]]:
    """Yield the path and dataset of datasets in name order; hard links can form cycles.

    Parameters
    ----------
    seen
        Is given the addresses of what was looked at: of a large file `MOST_OBJECTS` and not all.
    """
    seen = set() if seen is None else seen
    seen.add(file.root.address)
    return _below(file.root, "", seen)


def candidates(file: File) -> str:
    """Return a half sentence that lists the matrices in `file` as `file.h5::/path (shape) type`."""
    seen: set[int] = set()
    matrices = (
        f"{dataset.where} {dataset.shape} {dataset.dtype}"
        for _, dataset in datasets(file, seen)
        if _is_matrix(dataset)
    )
    found = list(islice(matrices, MAX_CANDIDATES + 1))
    cut = len(seen) > MOST_OBJECTS
    if not found:
        place = f"among the first {MOST_OBJECTS} groups and datasets in it" if cut else "in it"
        return f"no numeric dataset of rows and columns was found {place}"
    more = ", and more" if cut or len(found) > MAX_CANDIDATES else ""
    return f"the numeric datasets in the file are {', '.join(found[:MAX_CANDIDATES])}{more}"


def _below(group: Group, prefix: str, seen: set[int]) -> Iterator[tuple[str, Dataset]]:
    _, names = group.names(MOST_OBJECTS)
    for name in names:
        if len(seen) > MOST_OBJECTS:
            return
        item = None if name is None else _unseen(group, name, seen)
        inner = f"{prefix}/{name}"
        if isinstance(item, Group) and inner.count("/") < MAX_DEPTH:
            yield from _below(item, inner, seen)
        elif isinstance(item, Dataset):
            yield inner, item


def _unseen(group: Group, name: str, seen: set[int]) -> Item | None:
    """Return the object behind a hard link the first time it is met.

    What cannot be opened is left out: a list for choosing from needs only what can be chosen.
    """
    try:
        item = group.child(name)
    except EndedError:
        raise
    except InputError:
        return None
    if item is None or item.address in seen:
        return None
    seen.add(item.address)
    return item


def _is_matrix(dataset: Dataset) -> bool:
    try:
        guard.check_dataset(dataset)
        row_types.stored_type(dataset.dtype, dataset.where)
        row_types.check_row_shape(dataset.shape, dataset.where)
    except InputError:
        return False
    return True
