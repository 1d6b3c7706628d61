"""Matrices that are mapped from files and too large to stay in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import OutputError
from gpuae.storage import arrays
from gpuae.storage.matrix import Matrix, Source


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
