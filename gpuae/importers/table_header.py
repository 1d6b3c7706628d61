"""The first row of a table of text: what separates the cells and what the columns are."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers.columns import Titles

DELIMITERS = (",", ";", "\t")
UNNAMED = ("", "Unnamed: 0")
"""How pandas names the index that it wrote without a name, before and after reading it again."""


@dataclass(frozen=True)
class Header:
    """The columns of a table."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    """As in the file, without surrounding blanks."""
    lines: int
    """Lines of the file up to and with the header."""

    @property
    def index(self) -> int | None:
        """The column that may be an index which pandas wrote."""
        return 0 if self.names[0] in UNNAMED else None

    @property
    def titles(self) -> Titles:
        """All columns by their names."""
        names = tuple(self.title(column) for column in range(len(self.names)))
        return Titles(str(self.path), len(names), names)

    def title(self, column: int) -> str:
        """Return the name of a column, or its place, counted from 1, where it has none."""
        return self.names[column] or f"column {column + 1}"


def parse(path: Path, text: str) -> Header:
    """Read the header of a table.

    Raises
    ------
    InputError
        When the first row is one of numbers.
    """
    delimiter = max(DELIMITERS, key=lambda candidate: len(_first_row(path, text, candidate)[0]))
    cells, lines = _first_row(path, text, delimiter)
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise InputError(f"{path}: has no header; add a first row that names the columns")
    if all(_is_number(name) for name in names):
        raise InputError(
            f"{path}: its first row is all numbers, so there is no header; "
            "add a first row that names the columns"
        )
    return Header(path, delimiter, names, lines)


def _first_row(path: Path, text: str, delimiter: str) -> tuple[list[str], int]:
    """Return the cells of the first row that is not empty, and the lines read until then."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        row = next((row for row in reader if row), [])
    except csv.Error as error:
        raise InputError(
            f"{path}: its header cannot be split into cells ({error}); correct its quotes"
        ) from None
    return row, reader.line_num


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
