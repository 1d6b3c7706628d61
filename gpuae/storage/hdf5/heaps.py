"""A check of the places where HDF5 keeps strings of variable length, before it reads them.

HDF5 (2.0.0 was examined) reads a global heap in a loop that never ends when the heap is damaged so
that a free space of size 0 appears in it (H5HG__cache_heap_deserialize): one changed byte makes the
program hang for ever, deaf to Ctrl-C. The layout is in the HDF5 File Format Specification, III.E.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

SCANNED_BYTES = 16 << 20
"""Heaps of attributes lie near the start of a file, since they are written first."""
_MARK = re.compile(b"GCOL")
_HEAD = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HHIQ")
_SMALLEST_HEAP = 4096


def has_endless_heap(path: Path) -> bool:
    """Whether a heap of strings near the start of an HDF5 file would be read without end.

    A file that is opened again as it was is not scanned again.
    """
    status = path.stat()
    return _scan(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _scan(path: Path, *_identity: int) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(_is_endless(content, start, size) for start, size in _heaps(content))


def _heaps(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield the start and size of what looks like a heap; lengths of 8 bytes are assumed."""
    for found in _MARK.finditer(content, 0, SCANNED_BYTES):
        start = found.start()
        if start + _HEAD.size <= len(content):
            _, version, size = _HEAD.unpack_from(content, start)
            if version == 1 and _SMALLEST_HEAP <= size <= len(content) - start:
                yield start, size


def _is_endless(content: mmap.mmap, start: int, size: int) -> bool:
    """Walk a heap as HDF5 does: objects padded to 8 bytes, and free space of exactly its size."""
    position = start + _HEAD.size
    while position + _OBJECT.size <= start + size:
        index, _, _, length = _OBJECT.unpack_from(content, position)
        step = length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if step == 0:
            return True
        position += step
    return False
