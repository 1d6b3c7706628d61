"""The first row of a table of text: what separates the cells and what the columns are."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from gpuae.errors import InputError

DELIMITERS = (",", ";", "\t")
LABEL_NAMES = frozenset({"label", "labels", "target", "y", "class"})
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
    label: int | None
    """The column of labels."""

    @property
    def special(self) -> set[int]:
        """The columns that may not be features."""
        first = {0} if self.names[0] in UNNAMED else set()
        return first | ({self.label} if self.label is not None else set())

    def title(self, column: int) -> str:
        """Return the name of a column, or its place, counted from 1, where it has none."""
        return self.names[column] or f"column {column + 1}"


def parse(path: Path, text: str) -> Header:
    """Read the header of a table.

    Raises
    ------
    InputError
        When the first row is one of numbers, or two columns could be the labels.
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
    labels = [column for column, name in enumerate(names) if name.casefold() in LABEL_NAMES]
    if len(labels) > 1:
        found = " and ".join(repr(names[column]) for column in labels)
        raise InputError(f"{path}: {found} could all be the labels; rename all but one")
    return Header(path, delimiter, names, lines, labels[0] if labels else None)


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
