"""How many strings of an HDF5 dataset can be read in one go.

Strings of variable length may all point to one that is as long as the file, so what reading needs
must be known before. A dataset of them holds, on the disk, 16 bytes for each: its length and its
place in a heap (HDF5 File Format Specification, IV.B.f). HDF5 itself does not tell the lengths.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5z
from numpy.typing import NDArray

from gpuae.storage.hdf5 import guard, lzf

BLOCK_BYTES = 64 << 20
_ON_DISK = np.dtype([("length", "<u4"), ("place", "V12")])
_SIZES_KNOWN = (8, 8)
"""Bytes of addresses and lengths in the file, as nearly all files have them."""


def spans(dataset: h5py.Dataset, source: str) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of stretches that together are all of a guarded dataset of strings (n,).

    Each takes some 64 MiB at most, or is one string.

    Raises
    ------
    InputError
        When the file is damaged.
    """
    fixed = h5py.check_string_dtype(dataset.dtype).length
    with guard.hdf5_errors(source):
        lengths = None if fixed else _lengths(dataset)
    if lengths is None:
        longest = fixed or Path(dataset.file.filename).stat().st_size
        lengths = np.broadcast_to(np.int64(longest), dataset.shape)
    ends = np.cumsum(lengths.astype(np.float64) + 1)
    start = 0
    while start < len(ends):
        read = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, read + BLOCK_BYTES, side="right")))
        yield start, stop
        start = stop


def _lengths(dataset: h5py.Dataset) -> NDArray[Any] | None:
    """Return the lengths of strings of variable length in bytes; None where they cannot be told."""
    if dataset.file.id.get_create_plist().get_sizes() != _SIZES_KNOWN:
        return None
    if dataset.chunks is None:
        return _contiguous_lengths(dataset)
    lengths = np.zeros(len(dataset), np.uint32)
    for start in range(0, len(dataset), dataset.chunks[0]):
        content = _chunk(dataset, start)
        if content is None:
            return None
        part = lengths[start : start + dataset.chunks[0]]
        part[:] = np.frombuffer(content, _ON_DISK)["length"][: len(part)]
    return lengths


def _contiguous_lengths(dataset: h5py.Dataset) -> NDArray[Any] | None:
    offset, size = dataset.id.get_offset(), len(dataset) * _ON_DISK.itemsize
    if offset is None or dataset.id.get_storage_size() != size:
        return None
    with Path(dataset.file.filename).open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    return np.frombuffer(content, _ON_DISK)["length"] if len(content) == size else None


def _chunk(dataset: h5py.Dataset, start: int) -> bytes | None:
    """Return a chunk unpacked; None where it has been through other filters than gzip or lzf.

    Shuffling, which cannot be done with strings of variable length, is marked as left out.
    """
    size = dataset.chunks[0] * _ON_DISK.itemsize
    left_out, content = dataset.id.read_direct_chunk((start,))
    creation = dataset.id.get_create_plist()
    kinds = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    passed = [kind for index, kind in enumerate(kinds) if not left_out >> index & 1]
    if passed in ([h5z.FILTER_DEFLATE], [h5z.FILTER_LZF]):
        content = _unpacked(content, size, passed[0])
    elif passed:
        return None
    return content if len(content) == size else None


def _unpacked(content: bytes, size: int, kind: int) -> bytes:
    try:
        if kind == h5z.FILTER_LZF:
            return lzf.unpacked(content, size)
        return zlib.decompressobj().decompress(content, size + 1)
    except (zlib.error, ValueError):
        return b""
