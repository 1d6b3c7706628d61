"""Rows written as a table: csv, or parquet through an extra package, by the file's ending."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.errors import OutputError
from gpuae.storage.files.output_file import OutputFile, check_output
from gpuae.storage.outputs.arrow import check_installed
from gpuae.storage.outputs.csv_writer import CsvWriter
from gpuae.storage.outputs.endings import DELIMITERS, PARQUET
from gpuae.storage.outputs.in_order import InOrder
from gpuae.storage.outputs.sequential_file import SequentialFile
from gpuae.storage.outputs.table_content import TableContent, Writer


class TableOutput:
    """A new table that is filled by blocks of rows; used as `RowsOutput` is.

    Rows are held only until those before them have come, so memory stays flat. How large the file
    will be is not known before, so its space is not reserved.

    Parameters
    ----------
    shape
        Of the rows, (n, k) or (n,).
    dtype
        In which they are written; rows (n,) may have fields, each of which becomes a column.

    Raises
    ------
    OutputError
        When it cannot be written there, or columns would have one name.
    RuntimeError
        For rows left unwritten.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        content: TableContent,
        *,
        force: bool,
    ) -> None:
        _check_content(path, content)
        check_output(path, force)
        self.shape = shape
        self.start, self.can_go_on = 0, False
        self._path = path
        self._dtype = np.dtype(dtype)
        self._content = content
        self._force = force
        self._columns = math.prod(shape[1:])

    def __enter__(self) -> Self:
        self._block = self._filled()
        return self._block.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._block.__exit__(*exception)

    @contextmanager
    def _filled(self) -> Iterator[Self]:
        """Begin the table, and complete it once all rows have been written."""
        with OutputFile(self._path, self._force) as file, SequentialFile(file) as sink:
            writer = _writer(self._path, sink, self._dtype, self._content)
            self._rows = InOrder(writer.append)
            yield self
            if self._rows.reached < self.shape[0]:
                raise RuntimeError(f"row {self._rows.reached} of {self._path} was never written")
            writer.close()

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put `rows` (m, ...) at row `start`; several threads may, in any order."""
        shape = (len(rows),) if self._dtype.fields else (len(rows), self._columns)
        self._rows.put(start, rows.reshape(shape).astype(self._dtype))


def _check_content(path: Path, content: TableContent) -> None:
    """Refuse what cannot be written.

    That is parquet without its package, and columns that a reader could not tell apart from the ids
    or the labels.
    """
    if path.suffix.lower() in PARQUET:
        check_installed(path, OutputError)
        _check_distinct(path, content.names)
    for name in content.leading:
        if name in content.names:
            raise OutputError(
                f"{path}: a column of the rows is named {name!r}, as the column of what is carried "
                "beside them; write HDF5 (.h5), which keeps them apart"
            )


def _check_distinct(path: Path, names: tuple[str, ...]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise OutputError(
            f"{path}: {names.count(twice)} columns are named {twice!r}, which parquet's readers "
            "refuse; rename them, or write .csv or .h5"
        )


def _writer(
    path: Path, file: SequentialFile, dtype: np.dtype[Any], content: TableContent
) -> Writer:
    ending = path.suffix.lower()
    if ending in DELIMITERS:
        return CsvWriter(file, DELIMITERS[ending], content)
    from gpuae.storage.outputs.parquet_writer import ParquetWriter

    return ParquetWriter(file, dtype, content)
