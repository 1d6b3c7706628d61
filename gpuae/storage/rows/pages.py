"""Pages of maps that are no longer needed, but count as memory of the process."""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.rows.lazy_rows import AnyRows

GATHERED_ROWS = 256
"""A system maps some 64 KiB around each row that is touched."""


def mapping_of(x: NDArray[Any]) -> mmap.mmap | None:
    """Return the map behind an array; None if it has none whose pages can be released.

    A map with changes of its own (mode `c`) would lose them.
    """
    mapped = getattr(x, "_mmap", None)
    if getattr(x, "mode", None) == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    return mapped if isinstance(mapped, mmap.mmap) else None


def is_in_memory(x: AnyRows) -> bool:
    """Whether using these rows reads nothing from a file."""
    return isinstance(x, np.ndarray) and getattr(x, "_mmap", None) is None


def release_pages(x: NDArray[Any]) -> None:
    """Release the pages of a mapped array, which count as memory of the process.

    They stay in the system's cache while there is space; reading them again brings them back.
    """
    mapped = mapping_of(x)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def release_free_memory() -> None:
    """Release what the C library keeps of freed arrays, if it is glibc.

    The arrays of each thread leave holes that other threads do not fill.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def gathered(x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of x (n, d) without holding the pages that lie around them."""
    chosen = np.empty((len(rows), x.shape[1]), x.dtype)
    for start in range(0, len(rows), GATHERED_ROWS):
        part = slice(start, start + GATHERED_ROWS)
        chosen[part] = x[rows[part]]
        release_pages(x)
    return chosen


def is_large(x: NDArray[Any], memory: int) -> bool:
    """Whether x is mapped from a file and more than may be in memory.

    If it is, the system is asked not to bring 2 MiB into memory around each row that is read.
    """
    mapped = mapping_of(x)
    if mapped is None or x.nbytes <= memory:
        return False
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel that has no huge pages
            mapped.madvise(mmap.MADV_NOHUGEPAGE)
    return True
