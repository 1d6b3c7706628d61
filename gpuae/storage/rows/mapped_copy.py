"""Matrices that are mapped from files and too large to stay in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import OutputError
from gpuae.storage.files import system
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.lazy_rows import AnyRows, LazyRows


@contextmanager
def mapped_copy(x: AnyRows) -> Iterator[NDArray[Any]]:
    """Yield rows that can be gathered in any order.

    An array is yielded as it is. Lazy rows, which are slow to read in any other order than their
    own, are copied once into a temporary file without a name, in the folder of TMPDIR, and mapped.

    Raises
    ------
    OutputError
        When there is no space for that file.
    """
    if isinstance(x, np.ndarray):
        yield x
        return
    with _unpacked(x) as file:
        yield np.memmap(file, x.dtype, "r", shape=x.shape)


@contextmanager
def scratch(shape: tuple[int, int], dtype: str, memory: int) -> Iterator[NDArray[Any]]:
    """Yield a matrix to write into: in memory if it takes no more bytes than that, else mapped.

    Raises
    ------
    OutputError
        When there is no space for it in the folder that TMPDIR names.
    """
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if size <= memory:
        yield np.empty(shape, dtype)
        return
    with _nameless(size, lambda file: file.truncate(size)) as file:
        yield np.memmap(file, dtype, "r+", shape=shape)


def _unpacked(x: LazyRows) -> IO[bytes]:
    """Return a file without a name that holds the rows as they are in memory."""

    def write(file: IO[bytes]) -> None:
        for _, block in row_blocks.blocks(x):
            file.write(block.data)
        file.flush()

    return _nameless(len(x) * x.shape[1] * x.dtype.itemsize, write)


def _nameless(size: int, write: Callable[[IO[bytes]], object]) -> IO[bytes]:
    """Return a file without a name, whose space is reserved and that `write` has filled."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="gpuae-"))
            system.reserve(file.fileno(), size)
            write(file)
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: has no room for {size / 2**20:.0f} MiB of rows as they "
                f"are without compression ({error.strerror or error}); set TMPDIR to a folder that "
                "has"
            ) from None
        stack.pop_all()
    return file
