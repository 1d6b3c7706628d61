"""Columns chosen by name, number or range, as `--columns` has them.

Items are separated by commas. `mass` is a name (in double quotes if it holds a comma), `5` the
fifth column, `3-10` the third to the tenth, `a:f` those from the one named a to the one named f,
`a:` and `:f` the same to the last or from the first. A number that is the name of another column,
or could be one where names are numbers, is refused: `400:500` are names and `@3-10` numbers.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gpuae.errors import InputError
from gpuae.importers.numerals import is_number

SHOWN = 8
"""So many names are listed in a message."""
LONG_LIST = 80
"""Characters of what a person typed, in a message."""
NUMBER_SIGN = "@"
"""Before numbers that are no names."""
_NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Pick:
    """One column that was asked for."""

    column: int
    """Counted from 0."""
    singly: bool
    """By its own name or number, not within a range."""


@dataclass(frozen=True)
class Titles:
    """The columns of some rows: how many, and how they are called if they are called anything."""

    source: str
    """What messages call the rows."""
    count: int
    names: tuple[str, ...] | None

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where the columns of each name are."""
        found: dict[str, list[int]] = {}
        for column, name in enumerate(self.names or ()):
            found.setdefault(name, []).append(column)
        return found

    @cached_property
    def are_numbers(self) -> bool:
        """Whether most names are numbers, such as wavelengths."""
        return 2 * sum(map(is_number, self.names or ())) > self.count

    def column(self, name: str, why: str) -> int:
        """Return the column of that name; `why` is how a message begins.

        Raises
        ------
        InputError
            Where there is none, or more than one.
        """
        found = self.places.get(name, [])
        if len(found) > 1:
            places = ", ".join(str(column + 1) for column in found[:SHOWN])
            more = ", …" if len(found) > SHOWN else ""
            raise InputError(
                f"{self.source}: {why}: the columns {places}{more} are all named {name!r}; "
                "rename all but one"
            )
        if not found:
            raise InputError(f"{self.source}: {why}: no column is named {name!r}{self.hint(name)}")
        return found[0]

    def place(self, name: str, why: str) -> int:
        """Return the column of that name, or where there are no names the one of that number.

        Raises
        ------
        InputError
            Where there is none, or more than one.
        """
        nameless = self.names is None and _NUMBERS.fullmatch(name)
        return self.numbered(name, why) if nameless else self.column(name, why)

    def numbered(self, digits: str, why: str) -> int:
        """Return a column, counted from 0, by its number, counted from 1.

        Raises
        ------
        InputError
            Where there are fewer columns.
        """
        if not self.has_number(digits):
            raise InputError(
                f"{self.source}: {why}: there is no column {digits}, they are numbered from 1 to "
                f"{self.count}"
            )
        return int(digits) - 1

    def has_number(self, digits: str) -> bool:
        """Whether there is a column of that number, counted from 1."""
        return digits.isdecimal() and 1 <= int(digits[:12]) <= self.count

    def hint(self, name: str) -> str:
        """Return what else may have been meant by a name that is not there."""
        if self.names is None:
            return f", columns here have no names; give numbers from 1 to {self.count}"
        close = difflib.get_close_matches(name, self.names, n=1)
        if close:
            return f"; did you mean {close[0]!r}?"
        more = ", …" if len(self.names) > SHOWN else ""
        return f"; there are {', '.join(map(repr, self.names[:SHOWN]))}{more}"


def resolve(text: str, titles: Titles) -> tuple[Pick, ...]:
    """Return the columns that a person asked for, in that order.

    Raises
    ------
    InputError
        For names and numbers that are not there or could be each other, ranges that run backwards,
        a column asked for twice, and for nothing.
    """
    picks = [pick for item in _items(text, titles) for pick in _item(item, titles)]
    seen: set[int] = set()
    for pick in picks:
        if pick.column in seen:
            name = f" ({titles.names[pick.column]!r})" if titles.names else ""
            raise InputError(
                f"--columns: {_short(text)} has column {pick.column + 1}{name} twice; give it once"
            )
        seen.add(pick.column)
    return tuple(picks)


def _short(text: str) -> str:
    return text if len(text) <= LONG_LIST else f"{text[:LONG_LIST]}…"


def _items(text: str, titles: Titles) -> Sequence[str]:
    if text in titles.places:
        return [text]
    try:
        items = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise InputError(
            f"--columns: {_short(text)} has quotes without their counterpart"
        ) from None
    stripped = [item.strip() for item in items]
    if not all(stripped) or not stripped:
        raise InputError(
            f"--columns: {_short(text)!r} names nothing; give names or numbers: a,c:f,3-10"
        )
    return stripped


def _item(item: str, titles: Titles) -> Sequence[Pick]:
    """Return the columns that an item asks for, which may be in one way only."""
    numbers = _NUMBERS.fullmatch(item.removeprefix(NUMBER_SIGN))
    if item in titles.places:
        named = (Pick(titles.column(item, "--columns"), True),)
        _check_unambiguous(item, numbers, named, titles)
        return named
    if numbers:
        named_ends = _named_ends(numbers, titles)
        if named_ends and not _are_there(numbers, titles) and not item.startswith(NUMBER_SIGN):
            return named_ends
        _check_unambiguous(item, numbers, named_ends, titles)
        return _numbered(item, numbers, titles)
    if ":" in item and titles.names:
        first, last = _ends(item, titles)
        return _range(item, first, last, singly=first == last)
    return (Pick(titles.column(item, "--columns"), True),)


def _numbered(item: str, numbers: re.Match[str], titles: Titles) -> tuple[Pick, ...]:
    """Return the columns of a number, or of a range of numbers."""
    low, high = numbers.groups()
    first = titles.numbered(low, "--columns")
    last = first if high is None else titles.numbered(high, "--columns")
    return _range(item, first, last, singly=high is None)


def _named_ends(numbers: re.Match[str], titles: Titles) -> tuple[Pick, ...] | None:
    """Return the columns from one name to another, which are numbers; None where they are none."""
    places = [titles.places.get(number, []) for number in numbers.groups() if number is not None]
    if not all(len(place) == 1 for place in places):
        return None
    (first, *_), (last, *_) = places[0], places[-1]
    return tuple(Pick(column, len(places) == 1) for column in range(first, last + 1))


def _check_unambiguous(
    item: str, numbers: re.Match[str] | None, named: tuple[Pick, ...] | None, titles: Titles
) -> None:
    """Refuse numbers that are names as well and would choose other columns as names.

    Where most names are numbers, such as wavelengths, all numbers could be names.
    """
    if numbers is None or item.startswith(NUMBER_SIGN):
        return
    names = {item, *numbers.groups()} & titles.places.keys()
    could_be_names = titles.are_numbers or bool(names)
    if could_be_names and _are_there(numbers, titles) and named != _numbered(item, numbers, titles):
        low, high = (item, item) if item in names else (numbers[1], numbers[2] or numbers[1])
        raise InputError(
            f"{titles.source}: --columns: {item} could be names of columns or their numbers; give "
            f"{low}:{high} for the names, or {NUMBER_SIGN}{item} for the numbers"
        )


def _are_there(numbers: re.Match[str], titles: Titles) -> bool:
    """Whether there are columns of these numbers."""
    return all(titles.has_number(number) for number in numbers.groups() if number is not None)


def _range(item: str, first: int, last: int, *, singly: bool) -> tuple[Pick, ...]:
    if last < first:
        raise InputError(f"--columns: {item} runs backwards; give the first column first")
    return tuple(Pick(column, singly) for column in range(first, last + 1))


def _ends(item: str, titles: Titles) -> tuple[int, int]:
    """Return the first and last column of a range of names, which may hold colons themselves."""
    splits = [(item[: at.start()], item[at.end() :]) for at in re.finditer(":", item)]
    fitting = [ends for ends in splits if all(not end or end in titles.places for end in ends)]
    low, high = (fitting or splits)[0]
    first = titles.column(low, "--columns") if low else 0
    last = titles.column(high, "--columns") if high else titles.count - 1
    return first, last
