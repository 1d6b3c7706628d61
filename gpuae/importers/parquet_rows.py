"""The numeric columns of parquet or Arrow as rows, of which only a part is in memory while read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.column_file import ColumnFile, number_type
from gpuae.importers.options import ReadOptions
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_types
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.storage.rows.pages import release_pages

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 8 << 20


def matrix(
    columns: ColumnFile, names: list[str], options: ReadOptions, memory: int
) -> NDArray[Any]:
    """Return some columns as (n, d), some rows in memory at a time beside them.

    They are in memory if they take no more bytes than that, and else in a file without a name.
    """
    file = columns.file
    shape = columns.rows, len(names)
    dtype = _common_type(columns, names)
    _check_declared(file, shape, dtype)
    missing = _Missing(file.path)
    with scratch(shape, dtype.name, memory) as x:
        start = 0
        for table in _tables(columns, names, dtype):
            if start + len(table) > len(x):
                break
            _fill_rows(file.path, x[start : start + len(table)], table, missing, start)
            release_pages(x)
            start += len(table)
    if start != len(x):
        raise InputError(f"{file}: holds another number of rows than it declares; make it again")
    if not options.missing:
        missing.refuse()
    return x


def _common_type(columns: ColumnFile, names: list[str]) -> np.dtype[Any]:
    """Return the type that holds some columns, and NaN where they may lack values."""
    lacking = columns.lacking(names)
    kinds = []
    for name in names:
        kind = number_type(columns.types[columns.names.index(name)])
        assert kind is not None
        small = kind.kind != "f" and kind.itemsize <= 2
        filled = np.float32 if small else np.float64
        kinds.append(np.result_type(kind, filled) if name in lacking else kind)
    return np.result_type(*kinds)


def _check_declared(file: InputFile, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """Refuse rows that cannot be so many as is said."""
    row_types.check_row_shape(shape, str(file))
    declared, allowed = shape[0] * shape[1] * dtype.itemsize, limits.current()
    if declared > max(allowed.free_bytes, allowed.inflation * file.size):
        raise InputError(
            f"{file}: declares {declared / 2**20:.0f} MiB in a file of {file.size} bytes; if that "
            f"is right, save it without compression, or {limits.ADVICE}"
        )


def _tables(columns: ColumnFile, names: list[str], dtype: np.dtype[Any]) -> Iterator[pa.Table]:
    """Yield some columns, some rows at a time."""
    import pyarrow

    rows = max(1, BLOCK_BYTES // (len(names) * dtype.itemsize))
    for batch in columns.batches(names, rows):
        yield pyarrow.Table.from_batches([batch]).select(names)


def _fill_rows(
    path: Path, out: NDArray[Any], table: pa.Table, missing: _Missing, start: int
) -> None:
    """Write the rows of a table, of which the first has that place in the file."""
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        missing.count(column, name, start)
        _fill(path, name, out[:, place], column)


def _fill(path: Path, name: str, out: NDArray[Any], column: pa.ChunkedArray) -> None:
    """Write the values of a column, NaN for those that are missing; none of them is rounded."""
    from pyarrow import types

    if column.null_count and out.dtype.kind != "f":
        raise InputError(f"{path}: lacks values that it declares to be there; make it again")
    if types.is_boolean(column.type):
        column = column.cast("uint8")
    elif types.is_decimal(column.type):
        column = column.cast("float64")
    elif types.is_integer(column.type) and not row_types.survive(
        column.drop_null().to_numpy(), out.dtype
    ):
        raise InputError(
            f"{path}: the column {name!r} holds integers that {out.dtype} would round, which the "
            "rows are in for other columns' or missing values' sake; leave it out by --columns"
        )
    out[:] = column.to_numpy()


class _Missing:
    """Counts values that are missing and remembers the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._first = ""

    def count(self, column: pa.ChunkedArray, name: str, start: int) -> None:
        """Look at some values of a column, of which the first is in row `start`."""
        if column.null_count and not self._count:
            row = start + 1 + int(np.argmax(column.is_null().to_numpy()))
            self._first = f"column {name!r}, row {row}"
        self._count += column.null_count

    def refuse(self) -> None:
        """Refuse them if there are any."""
        if self._count:
            raise InputError(
                f"{self._path}: {self._count} values are missing, the first in {self._first}; fill "
                "or remove them, or fit with missing=mean"
            )
