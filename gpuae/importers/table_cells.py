"""The cells of a table of text: rows of equal length, and the columns that are no features."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import compressed, table_header
from gpuae.importers.numerals import is_number
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.table_header import Header
from gpuae.storage.files import limits

MEMORY_OF_BYTE = 6
"""Bytes of memory that each byte of a table takes while it is read: 6 to 13 were measured."""
IN_PARTS = "convert it in parts with another program to npy or HDF5, which are read in place"


@dataclass(frozen=True)
class Table:
    """A table whose rows have been found to be equally long."""

    text: str
    header: Header
    count: int
    """Of rows, without the header."""
    columns: dict[int, list[str]]
    """Cells of the columns that were asked for."""


def open_table(path: Path, options: ReadOptions = AS_IT_IS) -> tuple[str, Header]:
    """Return the text of a table and its header.

    Raises
    ------
    InputError
        When it is no text, or has no header and nobody said so.
    """
    return table_header.parse(path, read_text(path), options)


def scan(text: str, header: Header, kept: Iterable[int]) -> Table:
    """Go through a table once and keep the cells of some columns.

    Raises
    ------
    InputError
        When it has no rows, or ragged ones.
    """
    path = header.path
    columns: dict[int, list[str]] = {column: [] for column in kept}
    count = 0
    for line, row in rows(text, header):
        if len(row) != len(header.names):
            first = "the header" if header.named else "the first row"
            raise InputError(
                f"{path}: line {line} has {len(row)} cells and {first} {len(header.names)}; "
                "make all lines equally long"
            )
        for column, cells in columns.items():
            cells.append(row[column])
        count += 1
    if not count:
        raise InputError(f"{path}: has a header and no rows; add at least one")
    return Table(text, header, count, columns)


def read_text(path: Path) -> str:
    """Return the text in a file, which may be packed.

    Raises
    ------
    InputError
        When it is none, or no UTF-8 or (with a byte order mark) UTF-16.
    """
    content = compressed.read_bytes(path, MEMORY_OF_BYTE, IN_PARTS)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8, or convert it by "
            "iconv -f LATIN1 -t UTF-8, if Latin-1 is what it is in"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: holds NUL bytes, so it is no text; give a table of text")
    return text


def rows(text: str, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows after the header with their line numbers; empty lines are no rows."""
    return table_header.split(header.path, text, header.delimiter, header.lines)


def row_ids(table: Table) -> NDArray[Any] | None:
    """Return the index that pandas writes as an unnamed first column; None where there is none.

    Consecutive integers are an index, and so is text (dates, names of samples), which cannot be a
    feature. Any other numbers are a feature without a name.
    """
    if table.header.index not in table.columns:
        return None
    cells = [cell.strip() for cell in table.columns[0]]
    if not all(map(is_number, cells)):
        return labels(cells, str(table.header.path)) if any(cells) else None
    values = np.array(cells, np.float64)
    counts = (np.diff(values) == 1).all() and (values == np.rint(values)).all()
    return labels(cells, str(table.header.path)) if counts else None


def labels(texts: list[str], source: str) -> NDArray[Any]:
    """Return labels or ids as they are written: as text, unless every one survives as a number.

    They are int64 where each is written as Python writes that integer (not 007, nor 1.0), and else
    float64 where each is written as Python writes that number and different ones stay different.
    """
    cells = [cell.strip() for cell in texts]
    limits.check_text(max(map(len, cells), default=0), len(cells), source)
    for read in (_integers, _floats):
        values = read(cells)
        if values is not None:
            return values
    return np.array(cells)


def _integers(cells: list[str]) -> NDArray[np.int64] | None:
    """Return integers that are written as the cells are; None where they are not."""
    try:
        values = np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return None
    return values if [str(value) for value in values.tolist()] == cells else None


def _floats(cells: list[str]) -> NDArray[np.float64] | None:
    """Return finite numbers that are written as the cells are; None where they are not."""
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    written = all(
        math.isfinite(value) and cell in (repr(value), f"{value:.0f}")
        for cell, value in zip(cells, values, strict=True)
    )
    distinct = len(set(values)) == len(set(cells))
    return np.array(values) if written and distinct else None
