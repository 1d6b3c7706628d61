"""The beginning of a table of text: what separates the cells and what the columns are.

Lines at the top that begin with `#` are comments. The first row names the columns unless it may
just as well be the first of the rows: then it has to be said, since a row would be lost without a
word.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers.columns import Titles
from gpuae.importers.numerals import is_missing, is_number, number
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.roles import ID_NAMES, LABEL_NAMES
from gpuae.importers.table_text import PREVIEW_LINES

DELIMITERS = (",", ";", "\t", "|")
NO_DELIMITER = "\x1f"
"""Separates nothing, since it is in no text: a row is one cell."""
UNNAMED = ("", "Unnamed: 0")
"""How pandas names the index that it wrote without a name, before and after reading it again."""
KNOWN_NAMES = ID_NAMES.union(LABEL_NAMES) - {"y"}
"""Words that are names of columns; "y" may as well stand for yes."""
MANY_NAMES = 8
"""So many numbers that only ascend, or only descend, are names: of wavelengths, say."""
MOST_COLUMNS = 1 << 24
"""Their names alone take gigabytes of memory."""
SAY_WHICH = "say which by --header or --no-header"


@dataclass(frozen=True)
class Header:
    """The columns of a table."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    """As in the file, without surrounding blanks; empty where there is no header."""
    lines: int
    """Lines of the file before the first row."""
    named: bool = True
    """Whether there is a header."""
    blanks: bool = False
    """Whether blanks separate the cells, of which `tabs_for_blanks` makes the delimiter."""
    notes: tuple[str, ...] = ()
    """What a person should hear of, one sentence each."""

    @property
    def index(self) -> int | None:
        """The column that may be an index which pandas wrote."""
        return 0 if self.named and self.names[0] in UNNAMED else None

    @cached_property
    def titles(self) -> Titles:
        """All columns by their names."""
        names = tuple(self.title(column) for column in range(len(self.names)))
        return Titles(str(self.path), len(names), names if self.named else None)

    def lines_of(self, text: str) -> Iterator[str]:
        """Return the lines of a text after the header, with the delimiter between cells."""
        return self.with_delimiter(islice(io.StringIO(text, newline=""), self.lines, None))

    def with_delimiter(self, lines: Iterator[str]) -> Iterator[str]:
        """Return lines with the delimiter between cells, where blanks have been there."""
        return tabs_for_blanks(self.path, lines) if self.blanks else lines

    def key(self, column: int) -> str:
        """Return what a column is found by again: its name, or its number counted from 1."""
        return self.names[column] or str(column + 1)

    def title(self, column: int) -> str:
        """Return the name of a column, or its place, counted from 1, where it has none."""
        return self.names[column] or f"column {column + 1}"


def parse(path: Path, text: str, options: ReadOptions = AS_IT_IS) -> Header:
    """Read the header of a table out of the beginning of its text.

    Raises
    ------
    InputError
        When there is no header or it is not clear whether there is one, and nothing was said.
    """
    comments = _comments(text)
    delimiter = _delimiter(path, text, len(comments), options)
    if delimiter is None:
        text = "".join(tabs_for_blanks(path, io.StringIO(text, newline="")))
    top = _preview(path, text, len(comments), delimiter or "\t")
    header = _Top(path, delimiter or "\t", comments, top, options).header()
    return replace(header, blanks=delimiter is None)


def split(path: Path, text: str, delimiter: str, skip: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a text after `skip` lines with their line numbers."""
    return rows(path, islice(io.StringIO(text, newline=""), skip, None), delimiter, skip)


def rows(
    path: Path, lines: Iterable[str], delimiter: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows in some lines with their line numbers; empty lines are no rows.

    Parameters
    ----------
    before
        Lines before these.

    Raises
    ------
    InputError
        Where quotes are wrong.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        yield from ((before + reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise not_split(path, before + reader.line_num, error) from None


def not_split(path: Path, line: int, error: csv.Error) -> InputError:
    """Return the error of a line whose quotes are wrong."""
    return InputError(
        f"{path}: line {line} cannot be split into cells ({error}); correct its quotes"
    )


def _comments(text: str) -> list[str]:
    """Return the lines at the top that are comments or empty, up to the last comment."""
    lines: list[str] = []
    count = 0
    for line in io.StringIO(text[: _end_of_comments(text)], newline=""):
        lines.append(line.strip())
        count = len(lines) if lines[-1] else count
    return lines[:count]


def _end_of_comments(text: str) -> int:
    found = re.match(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*", text)
    return found.end() if found else 0


def _preview(path: Path, text: str, skip: int, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the first two rows with their line numbers, or as many as there are."""
    end = -1
    for _ in range(skip + PREVIEW_LINES):
        end = text.find("\n", end + 1)
        if end < 0:
            break
    return list(islice(split(path, text if end < 0 else text[: end + 1], delimiter, skip), 2))


def _delimiter(path: Path, text: str, skip: int, options: ReadOptions) -> str | None:
    """Return what separates the cells; None for blanks.

    It is what splits the first two rows into equally many cells, and into the most.
    """
    if options.delimiter is not None:
        return options.delimiter
    counts = {}
    for candidate in DELIMITERS:
        if candidate != options.decimal:
            widths = _widths(path, text, skip, candidate)
            counts[candidate] = (widths[0] > 1 and len(set(widths)) == 1, widths[0])
    best = max(counts, key=lambda candidate: counts[candidate])
    return None if counts[best][1] == 1 and _has_blanks(path, text, skip) else best


def _widths(path: Path, text: str, skip: int, delimiter: str) -> list[int]:
    """Return how many cells the first two rows have; 1 where quotes do not fit the delimiter."""
    try:
        return [len(row) for _, row in _preview(path, text, skip, delimiter)] or [1]
    except InputError:
        return [1]


def _has_blanks(path: Path, text: str, skip: int) -> bool:
    """Whether blanks split the first two rows into equally many cells."""
    try:
        rows = [row[0].split() for _, row in _preview(path, text, skip, NO_DELIMITER)]
    except InputError:
        return False
    if len(rows) == 1 and all(map(is_number, rows[0])):
        return len(rows[0]) > 1
    return len(rows) == 2 and len(rows[0]) == len(rows[1]) > 1


def tabs_for_blanks(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a table whose cells any number of blanks separate with tabs instead.

    Raises
    ------
    InputError
        For quotes, in which blanks would be parts of a cell.
    """
    for line in lines:
        if '"' in line:
            raise InputError(
                f"{path}: its cells are separated by blanks and some are in quotes; save it with "
                "commas or tabs between the cells"
            )
        yield "\t".join(line.split()) + "\n"


@dataclass(frozen=True)
class _Top:
    """What a table begins with."""

    path: Path
    delimiter: str
    comments: list[str]
    rows: list[tuple[int, list[str]]]
    """The first two, with their lines."""
    options: ReadOptions

    def header(self) -> Header:
        first = self.first
        if not any(first):
            raise InputError(f"{self.path}: has no header; add a first row that names the columns")
        if len(first) > MOST_COLUMNS:
            raise InputError(
                f"{self.path}: has {len(first)} columns, more than a table of text may have "
                f"({MOST_COLUMNS}); convert it by another program to npy or HDF5"
            )
        above = self._names_above()
        if self.options.header is None and above is not None:
            note = "the names of the columns are those in the comment above them"
            return Header(self.path, self.delimiter, above, len(self.comments), notes=(note,))
        named, notes = self._is_header()
        if not named:
            nameless = ("",) * len(first)
            return Header(self.path, self.delimiter, nameless, len(self.comments), named=False)
        return Header(self.path, self.delimiter, first, self.rows[0][0], notes=notes)

    @property
    def first(self) -> tuple[str, ...]:
        """The cells of the first row."""
        return tuple(cell.strip() for cell in self.rows[0][1]) if self.rows else ()

    def _number(self, cell: str) -> bool:
        return is_number(cell, self.options.decimal)

    def _names_above(self) -> tuple[str, ...] | None:
        """Return names for a first row of numbers out of the comment right above it."""
        if not self.comments or not all(map(self._number, self.first)):
            return None
        line = self.comments[-1].lstrip("#").strip()
        cells = next(csv.reader([line], delimiter=self.delimiter), [])
        names = tuple(cell.strip() for cell in (line.split() if len(cells) == 1 else cells))
        fits = len(names) == len(self.first) and all(names)
        return names if fits and not all(map(self._number, names)) else None

    def _is_header(self) -> tuple[bool, tuple[str, ...]]:
        """Return whether the first row is a header, and what should be said of that.

        Raises
        ------
        InputError
            Where it cannot be told.
        """
        if self.options.header is not None:
            return self.options.header, ()
        found = (number(cell, self.options.decimal) for cell in self.first)
        numbers = [value for value in found if value is not None]
        if not numbers or (len(self.rows) == 1 and len(numbers) < len(self.first)):
            return True, ()
        if len(numbers) == len(self.first):
            raise InputError(
                f"{self.path}: its first row is all numbers, so there is no header; add a first "
                "row that names the columns, or give --no-header, or --header if these are names"
            )
        if self._has_names():
            return True, ()
        if len(numbers) >= MANY_NAMES and _only_ascend_or_descend(numbers):
            return True, (f"the first row is taken as names of the columns; if not, {SAY_WHICH}",)
        raise InputError(
            f"{self.path}: its first row may name the columns or be the first of the rows; "
            f"{SAY_WHICH}"
        )

    def _has_names(self) -> bool:
        """Whether a cell of the first row can be nothing but a name."""
        second = [cell.strip() for cell in self.rows[1][1]]
        known = {cell.casefold() for cell in self.first} & KNOWN_NAMES
        index = self.first[0] in UNNAMED and not is_missing(second[0])
        return bool(known) or index or any(map(self._names, self.first, second))

    def _names(self, cell: str, below: str) -> bool:
        """Whether a cell is text above a number, or above nothing."""
        text = not self._number(cell) and not is_missing(cell, self.options.na_values)
        return text and (self._number(below) or is_missing(below, self.options.na_values))


def _only_ascend_or_descend(numbers: list[float]) -> bool:
    steps = [right - left for left, right in pairwise(numbers)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)
