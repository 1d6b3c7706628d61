"""The datasets in anyone's HDF5 file, and which of them can be rows.

What cannot be read is left out: a list to choose from needs only what can be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard
from gpuae.storage.hdf5.nodes import Dataset, EndedError, File, Group, Item
from gpuae.storage.rows import row_types

MAX_CANDIDATES = 20
MAX_DEPTH = 32
MOST_OBJECTS = 5000
"""Groups and datasets that are looked at in a file."""


def datasets(file: File, seen: set[int]) -> Iterator[Dataset]:
    """Yield the datasets of a file, each once and in the order of their names.

    Parameters
    ----------
    seen
        An empty set, to which the address of each object is added. It grows beyond `MOST_OBJECTS`
        if there are more objects than are looked at.
    """
    seen.add(file.root.address)
    return _below(file.root, seen)


def candidates(file: File, shape_of: Callable[[Dataset], str] = lambda own: str(own.shape)) -> str:
    """Return a half sentence that lists the matrices in `file` as `file.h5::/path (shape) type`.

    Parameters
    ----------
    shape_of
        What is said of the shape of each.
    """
    seen: set[int] = set()
    matrices = (
        f"{dataset.where} {shape_of(dataset)} {dataset.dtype}"
        for dataset in datasets(file, seen)
        if _is_matrix(dataset)
    )
    found = list(islice(matrices, MAX_CANDIDATES + 1))
    cut = len(seen) > MOST_OBJECTS
    if not found:
        place = f"among the first {MOST_OBJECTS} groups and datasets in it" if cut else "in it"
        return f"no numeric dataset of rows and columns was found {place}"
    more = ", and more" if cut or len(found) > MAX_CANDIDATES else ""
    return f"the numeric datasets in the file are {', '.join(found[:MAX_CANDIDATES])}{more}"


def _below(group: Group, seen: set[int]) -> Iterator[Dataset]:
    _, names = group.names(MOST_OBJECTS)
    for name in names:
        if len(seen) > MOST_OBJECTS:
            return
        item = None if name is None else _unseen(group, name, seen)
        if isinstance(item, Group) and item.path.count("/") < MAX_DEPTH:
            yield from _below(item, seen)
        elif isinstance(item, Dataset):
            yield item


def _unseen(group: Group, name: str, seen: set[int]) -> Item | None:
    """Return the object behind a name; None if it cannot be opened, or was seen before.

    Hard links can give an object many names, and can form cycles.
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
