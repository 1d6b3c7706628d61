"""Sparse rows in memory, made dense a few at a time: those that a step or a scan asks for."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class SparseRows:
    """A `LazyRows` over a matrix of SciPy, of which any rows can be asked for.

    Parameters
    ----------
    matrix
        A CSR matrix or array (n, d), of a type that rows may have.
    """

    rows_per_chunk = 1

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix
        self.shape: tuple[int, int] = matrix.shape
        self.dtype: np.dtype[Any] = matrix.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes that all rows would take if they were dense."""
        return self.shape[0] * self.shape[1] * self.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, by a slice or by their numbers, as a new dense array."""
        return np.ascontiguousarray(self._matrix[rows].toarray())

    def only(self, rows: NDArray[np.int64]) -> Self:
        """Leave all but the rows of these numbers out."""
        return type(self)(self._matrix[rows])
