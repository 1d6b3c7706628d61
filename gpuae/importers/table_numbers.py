"""The features of a table of text as numbers.

NumPy's C parser reads them at once. Where it cannot, and where a number might lose something, a
slow pass goes from cell to cell, and says where the first is that is no number.
"""

from __future__ import annotations

import io
import reprlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_cells as cells
from gpuae.importers.narrow import survive_as_written
from gpuae.importers.numerals import (
    EXACT_INTEGER,
    SWAPPED,
    is_integer,
    is_missing,
    looks_like_decimal_comma,
    number,
    survives_in_float,
)
from gpuae.importers.options import ReadOptions
from gpuae.importers.table_cells import Table
from gpuae.words import SHOWN, listed

CELLS_AT_ONCE = 1 << 18
INTEGERS = (np.int64, np.uint64)
IF_MISSING = "fill or remove them, or fit with missing=mean (convert with --missing keep)"


def parse(table: Table, features: tuple[int, ...], options: ReadOptions) -> NDArray[Any]:
    """Return the columns `features` as (n, d), NaN where values may be missing and are.

    They are float32 where every one survives that, else float64; 64-bit integers where these are
    exact and floats are not.

    Raises
    ------
    InputError
        For text, for missing values where there may be none, and for integers that would be
        rounded, with the line and column of the first.
    """
    values = _at_once(table, features, options)
    if values is None:
        found = _cell_by_cell(table, features, options)
        found.refuse()
        if found.rounded:
            return _whole(table, features, found)
        values = found.values
    return _narrow(values, wide=options.wide)


def _at_once(
    table: Table, features: tuple[int, ...], options: ReadOptions
) -> NDArray[np.float64] | None:
    """Return the features; None where they have to be looked at one by one."""
    text = table.text.translate(SWAPPED) if options.decimal == "," else table.text
    try:
        values = np.loadtxt(
            io.StringIO(text, newline=None),
            delimiter=table.header.delimiter,
            skiprows=table.header.lines,
            usecols=features,
            comments=None,
            quotechar='"',
            ndmin=2,
        )
    except ValueError:
        return None
    largest = np.fmax.reduce(values, axis=None, initial=0)
    smallest = np.fmin.reduce(values, axis=None, initial=0)
    exact = max(largest, -smallest) <= EXACT_INTEGER
    absent = _numbers_for_missing(options)
    if absent:
        values[np.isin(values, list(absent))] = np.nan
    whole = options.missing or not np.isnan(values).any()
    return values if len(values) == table.count and exact and whole else None


def _numbers_for_missing(options: ReadOptions) -> frozenset[float]:
    """Return the numbers, such as -999, that stand for missing values."""
    found = (number(word, options.decimal) for word in options.na_values)
    return frozenset(value for value in found if value is not None)


def _cell_by_cell(table: Table, features: tuple[int, ...], options: ReadOptions) -> _Found:
    values = np.empty((table.count, len(features)))
    found = _Found(table, options, values, _numbers_for_missing(options))
    for row, (line, row_cells) in enumerate(cells.rows(table.text, table.header)):
        for place, column in enumerate(features):
            cell = row_cells[column].strip()
            found.values[row, place] = found.number(cell, line, column)
    return found


@dataclass
class _Found:
    """What the cells of the features hold, and the first of each kind that cannot be used."""

    table: Table
    options: ReadOptions
    values: NDArray[np.float64]
    missing_numbers: frozenset[float]
    words: dict[int, tuple[int, str]] = field(default_factory=dict)
    """The first cell that is no number, with its line, by column."""
    absent: int = 0
    """Values that are missing, and where the first is."""
    first_absent: tuple[int, int] = (0, 0)
    absent_words: set[str] = field(default_factory=set)
    rounded: tuple[int, int, str] | None = None
    """Line, column and cell of the first integer that a float does not hold."""
    fraction: bool = False
    """Whether some are not written as integers."""

    def number(self, cell: str, line: int, column: int) -> float:
        """Return the number in a cell, NaN where there is none, and remember why."""
        value = number(cell, self.options.decimal)
        absent = is_missing(cell, self.options.na_values) if value is None else self._absent(value)
        if absent:
            self.first_absent = self.first_absent if self.absent else (line, column)
            self.absent += 1
            self.absent_words |= {cell} if len(self.absent_words) < SHOWN else set()
            return np.nan
        if value is None:
            self.words.setdefault(column, (line, cell))
            return np.nan
        self.fraction = self.fraction or not is_integer(cell)
        if self.rounded is None and not survives_in_float(cell, value):
            self.rounded = line, column, cell
        return value

    def _absent(self, value: float) -> bool:
        return np.isnan(value) or value in self.missing_numbers

    def refuse(self) -> None:
        """Raise an InputError for what cannot be used, if there is anything."""
        path = self.table.header.path
        if self.words:
            raise InputError(f"{path}: {self._of_words()}")
        if self.absent and not self.options.missing:
            raise InputError(f"{path}: {self._of_absent()}; {IF_MISSING}")
        if self.rounded and (self.fraction or self.absent):
            raise InputError(f"{path}: {rounded(*self.rounded, self.table)}")

    def _of_words(self) -> str:
        titles = {column: self.table.header.title(column) for column in self.words}
        if len(self.words) == 1:
            ((column, (line, cell)),) = self.words.items()
            which = f"line {line}, column {titles[column]!r}: {reprlib.repr(cell)} is not a number"
        else:
            examples = (
                f"{titles[column]!r} (line {line}: {reprlib.repr(cell)})"
                for column, (line, cell) in list(self.words.items())[: SHOWN + 1]
            )
            which = f"{len(self.words)} columns hold text: {listed([*examples])}"
        advice = (
            "correct it, choose other columns by --columns, or say what it is by --label-column, "
            "--id-column or, if it stands for a missing value, --na-values"
        )
        if any(looks_like_decimal_comma(cell) for _, cell in self.words.values()):
            advice = "if its comma is decimal, give --decimal ,"
        return f"{which}; {advice}"

    def _of_absent(self) -> str:
        line, column = self.first_absent
        count = "1 cell" if self.absent == 1 else f"{self.absent} cells"
        words = ", ".join(map(repr, sorted(self.absent_words)))
        if self.absent_words == {""}:
            what = f"{count} {'is' if self.absent == 1 else 'are'} empty"
        else:
            what = f"{count} seem{'s' * (self.absent == 1)} to stand for missing values ({words})"
        return f"{what}, the first at line {line}, column {self.table.header.title(column)!r}"


def rounded(line: int, column: int, cell: str, table: Table) -> str:
    """Word that an integer would not keep its value."""
    return (
        f"line {line}, column {table.header.title(column)!r}: {reprlib.repr(cell)} is an integer "
        "that a float of 64 bits would round; leave the column out by --columns, or say what it is "
        "by --id-column or --label-column"
    )


def _whole(table: Table, features: tuple[int, ...], found: _Found) -> NDArray[Any]:
    """Return features that are all integers in a type of 64 bits that holds them."""
    content = list(cells.rows(table.text, table.header))
    for dtype in INTEGERS:
        try:
            return np.array(
                [[int(row[column]) for column in features] for _, row in content], dtype
            )
        except (OverflowError, ValueError):  # beyond the type, or beyond Python's limit of digits
            continue
    assert found.rounded is not None
    raise InputError(f"{table.header.path}: {rounded(*found.rounded, table)}")


def _narrow(values: NDArray[np.float64], *, wide: bool) -> NDArray[Any]:
    """Return `values` as float32 where they survive that: exactly, if they are to be `wide`."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if np.array_equal(narrow, values, equal_nan=True):
        return narrow
    steps = range(0, len(values), max(1, CELLS_AT_ONCE // values.shape[1]))
    blocks = (values[start : start + steps.step] for start in steps)
    return narrow if not wide and all(map(survive_as_written, blocks)) else values
