"""Everything that an HDF5 file of gpuae's holds, to hash, check or compare whole files.

What no such file has is refused. `listing` looks into anyone's file and leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard
from gpuae.storage.hdf5.nodes import Dataset, File, Group, Item

Objects: TypeAlias = dict[str, Item]
"""Paths to groups and datasets; `/` is the root."""

MAX_DEPTH = 32


def objects(file: File) -> Objects:
    """Return every group and dataset of a file.

    Raises
    ------
    InputError
        For soft and external links, objects with two names, names that are not UTF-8, groups more
        than 32 deep, and what is neither a group nor a dataset.
    """
    below = _below(file.root, {file.root.address})
    return {"/": file.root, **{item.path: item for item in below}}


def guarded_objects(file: File) -> Objects:
    """Return every group and dataset of a file, after the guard has passed every dataset.

    Raises
    ------
    InputError
        For whatever the guard or `objects` refuses.
    """
    found = objects(file)
    for item in found.values():
        if isinstance(item, Dataset):
            guard.check_dataset(item)
    return found


def attribute_names(owner: Item) -> list[str]:
    """Return the names of all attributes of a group or dataset, sorted.

    Raises
    ------
    InputError
        For a name that is not UTF-8.
    """
    return _all_names(owner.where, *owner.attribute_names(guard.MOST_NAMES))


def _all_names(where: str, count: int, names: list[str | None]) -> list[str]:
    if count > guard.MOST_NAMES:
        raise InputError(f"{where}: has {count} names in it, more than any file of gpuae's")
    found = [name for name in names if name is not None]
    if len(found) < len(names):
        raise InputError(f"{where}: has a name in it that is not UTF-8; remove it")
    return sorted(found)


def _below(group: Group, seen: set[int]) -> Iterator[Item]:
    if group.path.count("/") > MAX_DEPTH:
        raise InputError(f"{group.where}: lies over {MAX_DEPTH} groups deep")
    for name in _all_names(group.where, *group.names(guard.MOST_NAMES)):
        item = _only_name_of(group, name, seen)
        yield item
        if isinstance(item, Group):
            yield from _below(item, seen)


def _only_name_of(group: Group, name: str, seen: set[int]) -> Item:
    """Return the object behind a name, which must be the only one that it has."""
    item = group.child(name)
    if item is None:
        raise InputError(f"{group.where}: has the name {name!r}, which leads nowhere; remove it")
    if item.address in seen:
        raise InputError(f"{item.where}: is in the file under another name too; remove one")
    seen.add(item.address)
    return item
