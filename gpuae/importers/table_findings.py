"""Cells of features that are no plain numbers: what they mean, and which cannot be used."""

from __future__ import annotations

import reprlib
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.numerals import (
    EXACT_INTEGER,
    is_integer,
    is_missing,
    looks_like_decimal_comma,
    number,
    survives_in_float,
)
from gpuae.importers.options import ReadOptions
from gpuae.importers.table_header import Header
from gpuae.words import SHOWN, listed

IF_MISSING = "fill or remove them, or fit with missing=mean (convert with --missing keep)"
_BITS = (1 << 64) - 1


def numbers_for_missing(options: ReadOptions) -> frozenset[float]:
    """Return the numbers, such as -999, that stand for missing values."""
    found = (number(word, options.decimal) for word in options.na_values)
    return frozenset(value for value in found if value is not None)


class LargeIntegers:
    """Integers so large that floats of 64 bits round some, with their places among all values."""

    def __init__(self) -> None:
        self._places, self._bits = array("q"), array("Q")
        self._least = self._most = 0

    def append(self, place: int, cell: str) -> None:
        """Keep the integer that a cell holds."""
        try:
            value = int(cell)
        except ValueError:  # of more digits than Python reads
            value = _BITS + 1
        self._least, self._most = min(self._least, value), max(self._most, value)
        self._places.append(place)
        self._bits.append(value & _BITS)

    def fit(self, dtype: np.dtype[Any]) -> bool:
        """Whether a type of integers holds them all."""
        return np.iinfo(dtype).min <= self._least and self._most <= np.iinfo(dtype).max

    def among(self, start: int, values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return values, the first of which has the place `start`, as integers."""
        places = np.frombuffer(self._places, np.int64)
        first, last = np.searchsorted(places, [start, start + len(values)])
        own = places[first:last] - start
        rest = values.copy()
        rest[own] = 0
        whole = rest.astype(dtype)
        whole[own] = np.frombuffer(self._bits, np.uint64)[first:last].view(dtype)
        return whole


@dataclass
class Findings:
    """What such cells hold, and where the first of each kind is that cannot be used."""

    header: Header
    options: ReadOptions
    missing_numbers: frozenset[float] = frozenset()
    words: dict[int, tuple[int, str]] = field(default_factory=dict)
    """The first cell that is no number, with its line, by column."""
    without_number: set[int] = field(default_factory=set)
    """Columns with cells that are no numbers, among them those that say that a value is missing."""
    absent: int = 0
    """Values that are missing, and where the first is."""
    first_absent: tuple[int, int] = (0, 0)
    absent_words: set[str] = field(default_factory=set)
    rounded: tuple[int, int, str] | None = None
    """Line, column and cell of the first integer that a float does not hold."""
    large: LargeIntegers = field(default_factory=LargeIntegers)
    fraction: bool = False
    """Whether some are not written as integers."""

    def number(self, cell: str, line: int, column: int, place: int) -> float:
        """Return the number in a cell, NaN where there is none, and remember why."""
        value = number(cell, self.options.decimal)
        if value is None:
            self.without_number.add(column)
        absent = is_missing(cell, self.options.na_values) if value is None else self._absent(value)
        if absent:
            self.first_absent = self.first_absent if self.absent else (line, column)
            self.absent += 1
            self.absent_words |= {cell} if len(self.absent_words) < SHOWN else set()
            return np.nan
        if value is None:
            self.words.setdefault(column, (line, cell))
            return np.nan
        self._judge(cell, value, line, column, place)
        return value

    def _judge(self, cell: str, value: float, line: int, column: int, place: int) -> None:
        integer = is_integer(cell)
        self.fraction = self.fraction or not integer
        if self.rounded is None and not survives_in_float(cell, value):
            self.rounded = line, column, cell
        if integer and abs(value) > EXACT_INTEGER and not (self.fraction or self.absent):
            self.large.append(place, cell)

    def _absent(self, value: float) -> bool:
        return np.isnan(value) or value in self.missing_numbers

    def refuse(self) -> None:
        """Raise an InputError for what cannot be used, if there is anything."""
        path = self.header.path
        if self.words:
            raise InputError(f"{path}: {self._of_words()}")
        if self.absent and not self.options.missing:
            raise InputError(f"{path}: {self._of_absent()}; {IF_MISSING}")
        if self.rounded and (self.fraction or self.absent):
            raise InputError(f"{path}: {self.of_rounded()}")

    def _of_words(self) -> str:
        titles = {column: self.header.title(column) for column in self.words}
        if len(self.words) == 1:
            ((column, (line, cell)),) = self.words.items()
            which = f"line {line}, column {titles[column]!r}: {reprlib.repr(cell)} is not a number"
        else:
            examples = (
                f"{titles[column]!r} (line {line}: {reprlib.repr(cell)})"
                for column, (line, cell) in list(self.words.items())[: SHOWN + 1]
            )
            which = f"{len(self.words)} columns hold text: {listed([*examples])}"
        learnt = "" if self.options.names_of else "--categorical, --times, "
        advice = (
            "correct what is wrong, choose other columns by --columns, or say what text means by "
            f"{learnt}--label-column, --id-column or, of missing values, --na-values"
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
        return f"{what}, the first at line {line}, column {self.header.title(column)!r}"

    def of_rounded(self) -> str:
        """Word that an integer would not keep its value."""
        assert self.rounded is not None
        line, column, cell = self.rounded
        return (
            f"line {line}, column {self.header.title(column)!r}: {reprlib.repr(cell)} is an "
            "integer that a float of 64 bits would round; leave the column out by --columns, or "
            "say what it is by --id-column or --label-column"
        )
