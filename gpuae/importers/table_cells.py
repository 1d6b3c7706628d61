"""The cells of a table of text: rows of equal length, and the columns that are no features."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_header
from gpuae.importers.table_header import Header
from gpuae.storage import limits
from gpuae.storage.input_file import check_readable
from gpuae.storage.limits import check_memory

MEMORY_OF_BYTE = 6
"""Bytes of memory that each byte of a table takes while it is read: 6 to 13 were measured."""


@dataclass(frozen=True)
class Table:
    """A table whose rows have been found to be equally long."""

    text: str
    header: Header
    count: int
    """Of rows, without the header."""
    columns: dict[int, list[str]]
    """Cells of the columns that were asked for."""


def open_table(path: Path) -> tuple[str, Header]:
    """Return the text of a table and its header.

    Raises
    ------
    InputError
        When it is no text, or has no header.
    """
    text = _read_text(path)
    return text, table_header.parse(path, text)


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
            raise InputError(
                f"{path}: line {line} has {len(row)} cells and the header {len(header.names)}; "
                "make all lines equally long"
            )
        for column, cells in columns.items():
            cells.append(row[column])
        count += 1
    if not count:
        raise InputError(f"{path}: has a header and no rows; add at least one")
    return Table(text, header, count, columns)


def _read_text(path: Path) -> str:
    check_memory(
        MEMORY_OF_BYTE * check_readable(path),
        str(path),
        "convert it in parts with another program to npy or HDF5, which are read in place",
    )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); copy it again") from None
    if "\0" in text:
        raise InputError(f"{path}: holds NUL bytes, so it is no text; give a table of text")
    return text


def rows(text: str, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows after the header with their line numbers; empty lines are no rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter)
    found = ((reader.line_num, row) for row in reader if row)
    next(found)
    try:
        yield from found
    except csv.Error as error:
        raise InputError(
            f"{header.path}: line {reader.line_num} cannot be split into cells ({error}); "
            "correct its quotes"
        ) from None


def row_ids(table: Table) -> NDArray[Any] | None:
    """Return the index that pandas writes as an unnamed first column; None where there is none.

    Consecutive integers are an index, and so is text (dates, names of samples), which cannot be a
    feature. Any other numbers are a feature without a name.
    """
    if table.header.index not in table.columns:
        return None
    found = labels(table.columns[0], str(table.header.path))
    if found.dtype.kind == "i" and (np.diff(found) == 1).all():
        return found
    return found if found.dtype.kind == "U" and any(found) else None


def labels(texts: list[str], source: str) -> NDArray[Any]:
    """Return labels as int64 where all are integers, else float64, else strings."""
    cells = [cell.strip() for cell in texts]
    limits.check_text(max(map(len, cells), default=0), len(cells), source)
    values = np.array(cells)
    for dtype in (np.int64, np.float64):
        try:
            return values.astype(dtype)
        except (ValueError, OverflowError):
            continue
    return values
