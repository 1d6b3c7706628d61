"""Rows written as a table: csv, or parquet through an extra package, by the file's ending."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.errors import OutputError
from gpuae.storage.files.output_file import OutputFile, check_output
from gpuae.storage.outputs.arrow import check_installed
from gpuae.storage.outputs.in_order import InOrder
from gpuae.storage.outputs.late_hashes import LateAttributes
from gpuae.storage.rows.metadata import RowMetadata

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
PARQUET = (".parquet", ".pq")
OTHERS = (
    *(".npy", ".npz", ".mat", ".h5ad", ".h5mu", ".loom", ".nc", ".nc4", ".zarr", ".pkl"),
    *(".json", ".xls", ".xlsx", ".ods", ".feather", ".arrow", ".dat", ".tab", ".idx"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar"),
    *(".pt", ".pth", ".onnx", ".safetensors", ".joblib", ".rds", ".sav", ".fits"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".html", ".md", ".toml", ".jsonl", ".log"),
)
"""Endings of formats that are not written: HDF5 under such a name would be a surprise.

Some of them are HDF5 with a layout of their own, which their readers look for.
"""
FOREIGN = frozenset({*DELIMITERS, *PARQUET, *OTHERS})
"""Endings that HDF5 is not written under."""
CELLS_AT_ONCE = 1 << 16
"""Of csv, in memory as text."""
ID_TITLE, LABEL_TITLE = "row_id", "label"


def is_table(path: Path) -> bool:
    """Whether the ending of a file asks for a table rather than for HDF5.

    Raises
    ------
    OutputError
        For an ending that belongs to a format which is not written.
    """
    ending = path.suffix.lower()
    if ending in OTHERS:
        raise OutputError(
            f"{path}: {ending} is not written; end the name in .h5, .csv, .tsv or .parquet"
        )
    return ending in DELIMITERS or ending in PARQUET


@dataclass(frozen=True)
class TableContent:
    """What a table says beside the rows that are still to come."""

    kind: str
    """Of the HDF5 file that it stands for."""
    names: tuple[str, ...]
    """Of the columns of the rows."""
    metadata: RowMetadata
    """Labels and row ids, which become the columns `label` and `row_id`."""
    attributes: LateAttributes
    """Where the rows come from; csv has no place for it."""

    @property
    def leading(self) -> dict[str, NDArray[Any]]:
        """The columns that come before the rows'."""
        columns = {ID_TITLE: self.metadata.row_id, LABEL_TITLE: self.metadata.y}
        return {name: texts(values) for name, values in columns.items() if values is not None}


def texts(values: NDArray[Any]) -> NDArray[Any]:
    """Return labels or ids (n,) with text as NumPy's strings, and numbers as they are."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return values.astype(str) if values.dtype.kind == "O" else values


class Writer(Protocol):
    """Writes rows, in their order, to a file."""

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write rows (m, k), of which the first is the row `start` of all."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


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
        self.start = 0
        self._path = path
        self._dtype = np.dtype(dtype)
        self._content = content
        self._force = force
        self._columns = math.prod(shape[1:])
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(OutputFile(self._path, self._force))
            sink = stack.enter_context(Octets(temporary))
            self._writer = _writer(self._path, sink, self._dtype, self._content)
            self._rows = InOrder(self._writer.append)
            stack.push(self._end)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._cleanup.__exit__(*exception)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Make sure that all rows are there, and write what is left."""
        if kind is not None:
            return
        if self._rows.reached < self.shape[0]:
            raise RuntimeError(f"row {self._rows.reached} of {self._path} was never written")
        self._writer.close()

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put `rows` (m, ...) at row `start`; several threads may, in any order."""
        shape = (len(rows),) if self._dtype.fields else (len(rows), self._columns)
        self._rows.put(start, rows.reshape(shape).astype(self._dtype))


class Octets(io.RawIOBase):
    """A temporary file as one that is written from its beginning to its end.

    After its block it swallows what is written: a library may tidy up long after a failure.
    """

    def __init__(self, temporary: OutputFile) -> None:
        self._temporary: OutputFile | None = temporary
        self._place = 0

    def __exit__(self, *exception: object) -> None:
        self._temporary = None

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def tell(self) -> int:
        """Return how much has been written."""
        return self._place

    def write(self, content: Any) -> int:
        """Write all of it."""
        octets = memoryview(content).cast("B")
        if self._temporary is not None:
            self._temporary.write(octets, self._place)
        self._place += len(octets)
        return len(octets)


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


def _writer(path: Path, file: Octets, dtype: np.dtype[Any], content: TableContent) -> Writer:
    ending = path.suffix.lower()
    if ending in DELIMITERS:
        return CsvWriter(file, DELIMITERS[ending], content)
    from gpuae.storage.outputs.parquet_writer import ParquetWriter

    return ParquetWriter(file, dtype, content)


def columns_of(rows: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the columns of rows (m, k), or of rows (m,) that have fields."""
    if rows.dtype.names:
        return [rows[name] for name in rows.dtype.names]
    return list(np.ascontiguousarray(rows.T))


class CsvWriter:
    """Numbers in the fewest digits that give them back; text in quotes where it needs them."""

    def __init__(self, file: Octets, delimiter: str, content: TableContent) -> None:
        self._file = file
        self._delimiter = delimiter
        self._leading = list(content.leading.values())
        self._write([[*content.leading, *content.names]])

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write rows (m, k), a few at a time: as text they take fifty times the memory."""
        step = max(1, CELLS_AT_ONCE // len(columns_of(rows)))
        for first in range(0, len(rows), step):
            self._append(start + first, rows[first : first + step])

    def _append(self, start: int, rows: NDArray[Any]) -> None:
        cells: list[list[Any]]
        if rows.dtype.fields:
            texts = [column.astype(str).tolist() for column in columns_of(rows)]
            cells = [list(row) for row in zip(*texts, strict=True)]
        else:
            cells = rows.astype(str).tolist()
        for values in reversed(self._leading):
            own: Sequence[Any] = values[start : start + len(rows)].tolist()
            cells = [[value, *row] for value, row in zip(own, cells, strict=True)]
        self._write(cells)

    def close(self) -> None:
        """Everything has been written."""

    def _write(self, cells: list[list[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(cells)
        self._file.write(text.getvalue().encode())
