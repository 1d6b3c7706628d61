"""The hash of what a file holds, whatever its layout and however long its making took.

It is the SHA-256 of a list with a line for each group, dataset and attribute: see "The content
hash" in docs/format.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType

import h5py
import numpy as np
from h5py import h5a

from gpuae.storage import file_format
from gpuae.storage.content_hash import canonical, hash_blocks
from gpuae.storage.hdf5 import walk
from gpuae.storage.hdf5.nodes import Dataset, Item
from gpuae.storage.hdf5.opening import own_file

TIMINGS = frozenset({"/train/history/seconds", "/state/history/seconds", "/state/seconds"})
"""Datasets whose values differ from run to run."""
_NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})
_TYPE = h5py.string_dtype("utf-8", 64)


def content_sha256(objects: walk.Objects, known: Mapping[str, str] = _NOTHING_KNOWN) -> str:
    """Return the content hash of a file, in hexadecimal.

    Parameters
    ----------
    objects
        All that is in the file.
    known
        Hashes of datasets that are known already, by path; these datasets are not read.

    Raises
    ------
    InputError
        For types and attributes that no file of gpuae's has.
    """
    total = sha256()
    for line in sorted(_lines(objects, known)):
        total.update(line.encode() + b"\n")
    return total.hexdigest()


def _lines(objects: walk.Objects, known: Mapping[str, str]) -> Iterator[str]:
    for path, item in objects.items():
        if isinstance(item, Dataset):
            yield json.dumps(_dataset(path, item, known))
        else:
            yield json.dumps(["group", path])
        for name in attribute_names(path, item):
            values = canonical.attribute(item, name)
            kind = canonical.type_name(values.dtype, item.where)
            digest = hash_blocks.array_sha256(values)
            yield json.dumps(["attribute", path, name, kind, values.shape, digest])


def attribute_names(path: str, item: Item) -> list[str]:
    """Return the names of an object's attributes, without the hash itself."""
    found = walk.attribute_names(item)
    return [name for name in found if (path, name) != ("/", file_format.CONTENT_SHA256)]


def _dataset(path: str, dataset: Dataset, known: Mapping[str, str]) -> list[object]:
    kind = canonical.type_name(dataset.dtype, dataset.where)
    head: list[object] = ["dataset", path, kind, dataset.shape]
    if path in TIMINGS:
        return head
    return [*head, known.get(path) or hash_blocks.values_sha256(dataset)]


def reserve(file: h5py.File) -> None:
    """Give a new file the attribute for the hash, with a value that says that it is to come."""
    file.attrs.create(file_format.CONTENT_SHA256, file_format.HASH_TO_COME.encode(), dtype=_TYPE)


def write(file: h5py.File, known: Mapping[str, str] = _NOTHING_KNOWN) -> None:
    """Write the hash of a new file over the value that `reserve` has put there."""
    digest = content_sha256(walk.objects(own_file(file)), known)
    attribute = h5a.open(file.id, file_format.CONTENT_SHA256.encode())
    attribute.write(np.array(digest.encode(), _TYPE))
