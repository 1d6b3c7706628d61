"""Everything that an HDF5 file holds, for what hashes, checks or compares whole files."""

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
        For links that are not followed, objects under two names, names that are not UTF-8, groups
        more than 32 deep, and what is neither group nor dataset.
    """
    found: Objects = {"/": file.root}
    seen = {file.root.address}
    for path, item in _below(file.root, "", seen):
        found[path] = item
    return found


def guarded_objects(file: File) -> Objects:
    """Return every group and dataset of a file, all of which the guard has passed.

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
    """Return the names of all attributes, in their order.

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


def _below(group: Group, prefix: str, seen: set[int]) -> Iterator[tuple[str, Item]]:
    if prefix.count("/") > MAX_DEPTH:
        raise InputError(f"{group.where}: lies over {MAX_DEPTH} groups deep")
    for name in _all_names(group.where, *group.names(guard.MOST_NAMES)):
        path = f"{prefix}/{name}"
        item = _only_name_of(group, name, seen)
        yield path, item
        if isinstance(item, Group):
            yield from _below(item, path, seen)


def _only_name_of(group: Group, name: str, seen: set[int]) -> Item:
    item = group.child(name)
    if item is None:
        raise InputError(f"{group.where}: has the name {name!r}, which leads nowhere; remove it")
    if item.address in seen:
        raise InputError(f"{item.where}: is in the file under another name too; remove one")
    seen.add(item.address)
    return item
