"""Rows written as a table of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from gpuae.storage.outputs.sequential_file import SequentialFile
from gpuae.storage.outputs.table_content import TableContent, columns_of

CELLS_AT_ONCE = 1 << 16
"""Cells that are held as text at once."""


class CsvWriter:
    """Numbers in the fewest digits that give them back; text in quotes where it needs them."""

    def __init__(self, file: SequentialFile, delimiter: str, content: TableContent) -> None:
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
        """Do nothing: all rows have been written already."""

    def _write(self, cells: list[list[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(cells)
        self._file.write(text.getvalue().encode())
