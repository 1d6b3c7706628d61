"""Matrices that are mapped from files and too large to stay in memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import OutputError
from gpuae.storage import arrays
from gpuae.storage.matrix import Matrix, Source


def mapping_of(x: NDArray[Any]) -> mmap.mmap | None:
    """Return the map behind an array; None where there is none that pages can be asked of."""
    mapped = getattr(x, "_mmap", None)
    return mapped if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise") else None


def hand_back(x: NDArray[Any]) -> None:
    """Give the pages of a mapped array back: they count into the size of the process.

    They stay in the system's cache for as long as there is room; who touches them gets them again.
    """
    mapped = mapping_of(x)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def is_large(x: NDArray[Any], memory: int) -> bool:
    """Whether x is mapped from a file and more than may be in memory.

    From then on a row that is touched brings few pages in, and not 2 MiB around it if that can be
    helped.
    """
    mapped = mapping_of(x)
    if mapped is None or x.nbytes <= memory:
        return False
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel that has no huge pages
            mapped.madvise(mmap.MADV_NOHUGEPAGE)
    return True


@contextmanager
def in_place(x: Source) -> Iterator[NDArray[Any]]:
    """Yield rows that can be gathered in any order.

    An array as it is. Rows that have to be read, which is slow in any order but theirs, are copied
    once into a temporary file without a name, in the folder that TMPDIR says, and mapped.

    Raises
    ------
    OutputError
        Where there is no room for that file.
    """
    if isinstance(x, np.ndarray):
        yield x
        return
    with _unpacked(x) as file:
        yield np.memmap(file, x.dtype, "r", shape=x.shape)


def _unpacked(x: Matrix) -> IO[bytes]:
    """Return a nameless file of the rows as they are in memory."""
    size = len(x) * x.shape[1] * x.dtype.itemsize
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="gpuae-"))
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            for _, block in arrays.blocks(x):
                file.write(block.data)
            file.flush()
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: has no room for {size / 2**20:.0f} MiB of rows as they "
                f"are without compression ({error.strerror or error}); set TMPDIR to a folder that "
                "has"
            ) from None
        stack.pop_all()
    return file
