"""Everything that an HDF5 file holds, for what hashes, checks or compares whole files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import h5py
from h5py import h5o

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard

Objects: TypeAlias = dict[str, guard.Item]
"""Paths to groups and datasets; `/` is the root."""

MAX_DEPTH = 32


def objects(file: h5py.File) -> Objects:
    """Return every group and dataset of a file.

    Raises
    ------
    InputError
        For links that are not followed, objects under two names, names that are not UTF-8, groups
        more than 32 deep, and what is neither group nor dataset.
    """
    found: Objects = {"/": file["/"]}
    with guard.hdf5_errors(file.filename):
        seen = {h5o.get_info(file.id).addr}
    for path, item in _below(file, file["/"], "", seen):
        found[path] = item
    return found


def guarded_objects(file: h5py.File) -> Objects:
    """Return every group and dataset of a file, all of which the guard has passed.

    Raises
    ------
    InputError
        For whatever the guard or `objects` refuses.
    """
    found = objects(file)
    for path, item in found.items():
        if isinstance(item, h5py.Dataset):
            guard.check_dataset(item, guard.name_of(file, path))
    return found


def names(owner: h5py.Group | h5py.AttributeManager, source: str) -> list[str]:
    """Return all names in a group or of attributes, in their order.

    Raises
    ------
    InputError
        For a name that is not UTF-8.
    """
    with guard.hdf5_errors(source):
        if len(owner) > guard.MOST_NAMES:
            raise InputError(
                f"{source}: has {len(owner)} names in it, more than any file of gpuae's"
            )
        found = list(owner)
    if not all(isinstance(name, str) for name in found):
        raise InputError(f"{source}: has a name in it that is not UTF-8; remove it")
    return sorted(found)


def _below(
    file: h5py.File, group: h5py.Group, prefix: str, seen: set[int]
) -> Iterator[tuple[str, guard.Item]]:
    if prefix.count("/") > MAX_DEPTH:
        raise InputError(f"{guard.name_of(file, prefix)}: lies over {MAX_DEPTH} groups deep")
    for name in names(group, guard.name_of(file, prefix)):
        path = f"{prefix}/{name}"
        item = _only_name_of(file, group, name, path, seen)
        yield path, item
        if isinstance(item, h5py.Group):
            yield from _below(file, item, path, seen)


def _only_name_of(
    file: h5py.File, group: h5py.Group, name: str, path: str, seen: set[int]
) -> guard.Item:
    source = guard.name_of(file, path)
    item = guard.child(group, name, source)
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise InputError(f"{source}: is neither a group nor a dataset; remove it")
    with guard.hdf5_errors(source):
        address = h5o.get_info(item.id).addr
    if address in seen:
        raise InputError(f"{source}: is in the file under another name too; remove one")
    seen.add(address)
    return item
