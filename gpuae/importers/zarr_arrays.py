"""What a Zarr array declares, and whether it is read: only codecs that run nothing and numbers.

Sources: Zarr storage specification, version 2 and Zarr core specification, version 3
(https://zarr-specs.readthedocs.io).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gpuae.errors import InputError
from gpuae.importers.zarr_store import Store, description, joined, paths
from gpuae.storage.files import limits
from gpuae.storage.rows import row_types

CODECS = frozenset(
    {"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed", "vlen-utf8"}
)
"""Of version 3. Others may run what a file says, as those of pickles do."""
FILTERS = frozenset(
    {"blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "delta", "vlen-utf8"}
)
"""Of version 2."""
TEXT = np.dtype(object)
"""Stands for strings of any length, which are read as names only."""
UNKNOWN = np.dtype("V1")
_NUMBER = re.compile(r"[<>|][biuf][1248]")
_NAMED = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")
SPARE_BYTES = 4096
"""A chunk that is stored in more bytes than it has, and these, is a trap."""


@dataclass(frozen=True)
class Declared:
    """What an array says of itself."""

    path: str
    version: Literal[2, 3]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    codecs: frozenset[str]

    @property
    def nbytes(self) -> int:
        """Of all its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        """Of the values of a chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def chunk_count(self) -> int:
        """Of whole and partial chunks."""
        pairs = zip(self.shape, self.chunks, strict=True)
        return math.prod(-(-length // size) for length, size in pairs)


def arrays(store: Store) -> dict[str, Declared]:
    """Return what the arrays in a folder or archive declare, by their paths.

    Raises
    ------
    InputError
        For a description that makes no sense.
    """
    found = (_declared(store, path) for path in paths(store))
    return {own.path: own for own in found if own is not None}


def _declared(store: Store, path: str) -> Declared | None:
    """Return what an array declares; None for a group."""
    newer = description(store, joined(path, "zarr.json"))
    older = {} if newer else description(store, joined(path, ".zarray"))
    if newer.get("node_type") != "array" and not older:
        return None
    try:
        return _of_version_2(path, older) if older else _of_version_3(path, newer)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise InputError(
            f"{store}::{path}: is not described as an array of Zarr's; make it again"
        ) from None


def _of_version_2(path: str, own: Mapping[str, Any]) -> Declared:
    used = [own["compressor"], *(own["filters"] or ())]
    codecs = frozenset(str(codec["id"]) for codec in used if codec is not None)
    kind = str(own["dtype"])
    dtype = TEXT if kind == "|O" else np.dtype(kind) if _NUMBER.fullmatch(kind) else UNKNOWN
    return Declared(path, 2, _lengths(own["shape"]), dtype, _sizes(own["chunks"]), codecs)


def _of_version_3(path: str, own: Mapping[str, Any]) -> Declared:
    grid = own["chunk_grid"]
    if grid["name"] != "regular" or own.get("storage_transformers"):
        raise ValueError("chunks of several sizes, or stored in another way")
    kind = own["data_type"]
    dtype = TEXT if kind == "string" else UNKNOWN
    if isinstance(kind, str) and _NAMED.fullmatch(kind):
        dtype = np.dtype(kind)
    chunks = _sizes(grid["configuration"]["chunk_shape"])
    codecs = frozenset(_codecs(own["codecs"]))
    return Declared(path, 3, _lengths(own["shape"]), dtype, chunks, codecs)


def _codecs(codecs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of codecs, also of those within others."""
    for codec in codecs:
        yield str(codec["name"])
        inner = codec.get("configuration") or {}
        for name in ("codecs", "index_codecs"):
            yield from _codecs(inner.get(name) or ())


def _lengths(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(v) is int and v >= 0 for v in values):
        raise ValueError("no lengths")
    if not row_types.is_possible(values):
        raise ValueError("lengths that no array has")
    return tuple(values)


def _sizes(values: object) -> tuple[int, ...]:
    found = _lengths(values)
    if 0 in found:
        raise ValueError("chunks of nothing")
    return found


def check(store: Store, array: Declared) -> int:
    """Refuse an array whose codecs could run anything, or that is beyond the limits.

    Returns
    -------
    How many chunks are stored; others have the fill value.

    Raises
    ------
    InputError
        Saying why.
    """
    source = f"{store}::{array.path}" if array.path else str(store)
    strange = sorted(array.codecs - (CODECS if array.version == 3 else FILTERS))
    if strange:
        raise InputError(
            f"{source}: is packed by {strange[0]!r}, which is not unpacked; save it with zstd, "
            "blosc or gzip, or without compression"
        )
    if len(array.chunks) != len(array.shape):
        raise InputError(f"{source}: has chunks of {len(array.chunks)} dimensions; make it again")
    stored = _stored(store, array.path)
    _check_sizes(source, array, stored)
    return len(stored)


def _stored(store: Store, path: str) -> list[int]:
    """Return the bytes of each chunk that is stored."""
    prefix = f"{path}/" if path else ""
    return [
        size
        for name, size in store.sizes.items()
        if name.startswith(prefix) and not name.rpartition("/")[2].startswith((".z", "zarr.json"))
    ]


def _check_sizes(source: str, array: Declared, stored: Sequence[int]) -> None:
    allowed = limits.current()
    if array.chunk_bytes > allowed.chunk_bytes:
        raise InputError(
            f"{source}: has chunks of {array.chunk_bytes >> 20} MiB, over "
            f"{allowed.chunk_bytes >> 20}; save it in smaller ones, or {limits.ADVICE}"
        )
    limits.check_memory(array.chunk_bytes, source, "save it in smaller chunks")
    if array.nbytes > max(allowed.free_bytes, allowed.inflation * sum(stored)):
        raise InputError(
            f"{source}: declares {array.nbytes} bytes and stores {sum(stored)}, over "
            f"{allowed.inflation} times less; {limits.ADVICE}"
        )
    largest = max(stored, default=0)
    is_text = array.dtype == TEXT
    if not is_text and largest > array.chunk_bytes + array.chunk_bytes // 8 + SPARE_BYTES:
        raise InputError(
            f"{source}: stores a chunk of {array.chunk_bytes} bytes in {largest}; make it again"
        )
