"""Sparse rows in the compressed form (CSR), made dense a block at a time.

Row i has the values `data[p:q]` in the columns `indices[p:q]`, p = indptr[i] and q = indptr[i + 1];
all its other columns are zero, and values for the same column are added, as SciPy does.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.rows import row_blocks, row_types

INDPTR_BYTES = 24
"""Of memory for each entry of an indptr while it is checked."""
MAX_ROW_BYTES = 256 << 20
"""Of one dense row: a few bytes in a file can declare any number of columns."""


class Vector(Protocol):
    """One-dimensional numbers, in memory or in a file, of which stretches can be read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(size,); anything else is refused."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is read."""
        ...

    def __getitem__(self, stretch: slice) -> Any:
        """Read elements start … stop − 1 (step 1)."""
        ...


class CsrRows:
    """A `LazyRows` over the three arrays of a CSR matrix.

    Parameters
    ----------
    shape
        (n, d) as the file has it; anything that is no pair of positive integers is refused.
    indptr
        Of shape (n + 1,); it is read at once.
    indices, data
        Of shape (entries,).
    source
        What messages call the matrix.

    Raises
    ------
    InputError
        When the arrays do not fit together; all that is cheap is checked before `indptr` is read.
    """

    def __init__(
        self, shape: object, indptr: Vector, indices: Vector, data: Vector, *, source: str
    ) -> None:
        self.shape = _checked_shape(shape, source)
        self.dtype = row_types.stored_type(data.dtype, source)
        self._source, self._indices, self._data = source, indices, data
        self._check_parts(indptr)
        self._indptr = _checked_pointers(
            np.asarray(indptr[:]), self.shape[1], data.shape[0], source
        )

    def _check_parts(self, indptr: Vector) -> None:
        """Check what is known before anything is read."""
        rows, columns = self.shape
        if columns * self.dtype.itemsize > MAX_ROW_BYTES:
            raise InputError(
                f"{self._source}: declares {columns} columns, and one dense row may take "
                f"{MAX_ROW_BYTES >> 20} MiB; check its shape, or choose fewer columns"
            )
        if indptr.shape != (rows + 1,):
            raise _broken(self._source, f"has indptr of shape {indptr.shape} for {rows} rows")
        if len(self._data.shape) != 1 or self._indices.shape != self._data.shape:
            raise _broken(
                self._source,
                f"has indices of shape {self._indices.shape} and data of shape {self._data.shape}",
            )
        for name, part in (("indptr", indptr), ("indices", self._indices)):
            if part.dtype.kind not in "iu":
                raise _broken(self._source, f"has {name} of type {part.dtype}, no integers,")
        self._check_room(indptr)

    def _check_room(self, indptr: Vector) -> None:
        """Refuse a matrix that is far larger when dense, or whose indptr fills the memory."""
        parts = (indptr, self._indices, self._data)
        stored = sum(math.prod(part.shape) * part.dtype.itemsize for part in parts)
        dense, allowed = math.prod(self.shape) * self.dtype.itemsize, limits.current()
        if dense > max(allowed.free_bytes, allowed.inflation * stored):
            raise InputError(
                f"{self._source}: takes {dense >> 20} MiB when it is dense and is stored in "
                f"{stored} bytes, over {allowed.inflation} times less; {limits.ADVICE}"
            )
        limits.check_memory(INDPTR_BYTES * (self.shape[0] + 1), self._source, "give fewer rows")

    @property
    def rows_per_chunk(self) -> int:
        """Rows that about one chunk of the file holds, at most 32 MiB of them."""
        chunk = (getattr(self._data, "chunks", None) or (1,))[0]
        together = chunk * len(self) // max(1, self._data.shape[0])
        return row_blocks.at_most_a_block(together, self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows start … stop − 1 into a new dense array.

        Raises
        ------
        InputError
            When they cannot be read, or name a column that is not there.
        """
        start, stop, _ = rows.indices(len(self))
        pointers = self._indptr[start : max(start, stop) + 1]
        stretch = slice(int(pointers[0]), int(pointers[-1]))
        columns, values = np.asarray(self._indices[stretch]), np.asarray(self._data[stretch])
        if len(columns) and not (columns.min() >= 0 and columns.max() < self.shape[1]):
            raise _broken(
                self._source,
                f"has an index outside its {self.shape[1]} columns in the rows from {start + 1} on",
            )
        return self._dense(pointers - pointers[0], columns, values)

    def _dense(
        self, pointers: NDArray[np.int64], columns: NDArray[Any], values: NDArray[Any]
    ) -> NDArray[Any]:
        from scipy.sparse import csr_matrix

        if values.dtype.kind != "b":  # of truth values, duplicates make no 2
            values = values.astype(self.dtype, copy=False)
        narrow = max(self.shape[1], len(columns)) < np.iinfo(np.int32).max
        integer = np.int32 if narrow else np.int64
        parts = (values, columns.astype(integer), pointers.astype(integer))
        dense: NDArray[Any] = csr_matrix(parts, (len(pointers) - 1, self.shape[1])).toarray()
        return dense.astype(self.dtype, copy=False)


def _checked_shape(shape: object, source: str) -> tuple[int, int]:
    values = shape if isinstance(shape, tuple | list) else ()
    sizes = tuple(value for value in values if isinstance(value, int) and value >= 0)
    if len(sizes) == len(values) == 2:
        row_types.check_row_shape(sizes, source)
    else:
        raise _broken(source, f"has the shape {shape!r} where two positive integers are needed")
    return sizes[0], sizes[1]


def _checked_pointers(
    pointers: NDArray[Any], columns: int, entries: int, source: str
) -> NDArray[np.int64]:
    """Return indptr in native integers; no row may have more entries than there are columns.

    That bounds what a block of rows needs. Duplicates that SciPy would add are few or none.
    """
    pointers = pointers.astype(np.int64)
    steps = np.diff(pointers)
    if pointers[0] != 0 or pointers[-1] != entries or steps.min() < 0:
        raise _broken(source, f"has an indptr that does not ascend from 0 to {entries}")
    if steps.max() > columns:
        row = int(np.argmax(steps))
        raise _broken(source, f"has {steps[row]} entries for {columns} columns in row {row + 1}")
    return pointers


def _broken(source: str, what: str) -> InputError:
    return InputError(
        f"{source}: {what} and is no CSR matrix; write it again with AnnData or SciPy"
    )
