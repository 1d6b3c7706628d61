"""Matrices that are not in memory: rows on a disk, read a block at a time."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class LazyRows(Protocol):
    """Rows (n, d) that are read, or computed from what is read, when they are asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d), both at least 1."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is read: one of `row_types.STORED_TYPES`, in native byte order."""
        ...

    @property
    def rows_per_chunk(self) -> int:
        """Number of rows that are stored together, as in a chunk; a scan reads multiples of it."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows start … stop − 1 (step 1) into a new C-contiguous array.

        Raises
        ------
        InputError
            When they cannot be read.
        """
        ...


AnyRows: TypeAlias = NDArray[Any] | LazyRows
"""An array, mapped from a file or not, or rows that have to be read."""


def rows_per_chunk_of(x: AnyRows) -> int:
    """Return how many rows are stored together; 1 for an array."""
    return 1 if isinstance(x, np.ndarray) else x.rows_per_chunk
