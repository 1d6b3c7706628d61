"""A sheet of a workbook as text, which is read as any table of text is.

Row n of the sheet is line n of the text, and tabs separate the cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table, workbook
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows.dataset import Dataset

TAB = "\t"
MARK = "\ufeff"
"""Begins a text in UTF-8, so that nothing else can seem to."""
_BREAKS = re.compile(r"\s*[\t\r\n\v\f\x1c-\x1f\x85\u2028\u2029]\s*")
BLOCK_BYTES = 1 << 20


def load(file: InputFile, name: str | None, options: ReadOptions, memory: int) -> Dataset:
    """Return the rows of a sheet of a workbook, as `table.load` does those of a text.

    Formulas count as the values that they had when the workbook was saved, true and false as 1 and
    0. Dates and times are text.

    Parameters
    ----------
    name
        Of the sheet; None where only one has anything in it.

    Raises
    ------
    InputError
        As `workbook.opened` and `table.load` say, for a sheet that is not there or not chosen, and
        for a formula without a value.
    """
    sheet = SheetText(file, name, options.for_text().decimal or ".")
    dataset = table.load(sheet, replace(options, delimiter=TAB), memory)
    return replace(dataset, file=file)


def load_labels(file: InputFile, name: str | None, count: int) -> NDArray[Any]:
    """Return the labels in a sheet, as `table.load_labels` does."""
    return table.load_labels(SheetText(file, name), count, replace(AS_IT_IS, delimiter=TAB))


def load_weights(file: InputFile, name: str | None, count: int) -> NDArray[Any]:
    """Return the weights in a sheet, as `table.load_weights` does."""
    return table.load_weights(SheetText(file, name), count, replace(AS_IT_IS, delimiter=TAB))


class SheetText:
    """A sheet as the text that `table_text` reads.

    Parameters
    ----------
    name
        Of the sheet; None where only one has anything in it.
    point
        What stands before the fraction of a number.
    """

    def __init__(self, file: InputFile, name: str | None, point: str = ".") -> None:
        self._file, self._point = file, point
        with workbook.opened(file) as book:
            sheet = workbook.choose(file, book, name)
            self.path = Path(f"{file}::{sheet.title}")
            lines = _Lines(file, point, workbook.rows_of(file, sheet))
        if lines.has_gaps:
            _check_computed(file, sheet.title)
        self._lines = lines

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def _text(self) -> bytes:
        return f"{MARK}{''.join(self._lines.padded())}".encode()

    @property
    def size(self) -> int:
        """Of the text, in bytes."""
        return len(self._text)

    @property
    def head(self) -> bytes:
        """The first bytes."""
        return self._text[:4096]

    def blocks(self) -> Iterator[bytes]:
        """Yield the text a block at a time."""
        for start in range(0, self.size, BLOCK_BYTES):
            yield self._text[start : start + BLOCK_BYTES]


class _Lines:
    """The lines of a sheet, whose width is known when all are read."""

    def __init__(self, file: InputFile, point: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self._lines: list[str] = []
        self._first, self._last = workbook.MOST_ROWS, 0
        self.has_gaps = False
        """Whether cells among those of a row are empty."""
        size = 0
        for row in rows:
            line = TAB.join(_text_of(value, point) for value in row).rstrip(TAB)
            self._note(line)
            self._lines.append(line)
            size += len(line) + len(row)
            workbook.check_size(file, size)

    def _note(self, line: str) -> None:
        """Widen the table by a line, if it has cells that others lack."""
        if line:
            first, last = len(line) - len(line.lstrip(TAB)), line.count(TAB) + 1
            uneven = bool(self._last) and (first, last) != (self._first, self._last)
            self.has_gaps = self.has_gaps or uneven or 2 * TAB in line
            self._first, self._last = min(first, self._first), max(last, self._last)

    def padded(self) -> Iterator[str]:
        """Yield lines of equally many cells, from the first column that is not empty on."""
        for line in self._lines:
            lacking = self._last - line.count(TAB) - 1 if line else 0
            yield f"{line[self._first :]}{TAB * lacking}\n"


def _text_of(value: object, point: str) -> str:
    """Return what a cell holds as a cell of a table of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(value).replace(".", point)
    text = str(value)
    if isinstance(value, int) or text.isalnum():
        return text
    text = _BREAKS.sub(" ", text)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if '"' in text else text


def _check_computed(file: InputFile, title: str) -> None:
    """Refuse a sheet in which a formula has no value, as programs leave it that do not compute.

    Raises
    ------
    InputError
        With the first such cell.
    """
    if not workbook.may_have_formulas(file):
        return
    with workbook.opened(file, formulas=True) as book, workbook.opened(file) as computed:
        formulas = workbook.rows_of(file, workbook.choose(file, book, title), values=False)
        values = workbook.rows_of(file, workbook.choose(file, computed, title))
        for cell, value in zip(
            chain.from_iterable(formulas), chain.from_iterable(values), strict=True
        ):
            if value is None and cell.data_type == "f":
                raise InputError(
                    f"{file}::{title}: cell {cell.coordinate} holds a formula without its value; "
                    "open the workbook in a spreadsheet program and save it"
                )
