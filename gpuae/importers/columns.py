"""Columns chosen by name, number or range, as `--columns` has them.

Items are separated by commas. `mass` is a name (in double quotes if it holds a comma), `5` the
fifth column, `3-10` the third to the tenth, `a:f` those from the one named a to the one named f,
`a:` and `:f` the same to the last or from the first. What is a name is never a number or a range.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpuae.errors import InputError

SHOWN = 8
"""So many names are listed in a message."""
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

    def column(self, name: str, why: str) -> int:
        """Return the column of that name; `why` is how a message begins.

        Raises
        ------
        InputError
            Where there is none, or more than one.
        """
        found = [column for column, own in enumerate(self.names or ()) if own == name]
        if len(found) > 1:
            places = ", ".join(str(column + 1) for column in found)
            raise InputError(
                f"{self.source}: {why}: the columns {places} are all named {name!r}; "
                "rename all but one"
            )
        if not found:
            raise InputError(f"{self.source}: {why}: no column is named {name!r}{self.hint(name)}")
        return found[0]

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
        For names and numbers that are not there, ranges that run backwards, a column asked for
        twice, and for nothing.
    """
    picks = [pick for item in _items(text, titles) for pick in _item(item, titles)]
    columns = [pick.column for pick in picks]
    for place, column in enumerate(columns):
        if column in columns[:place]:
            name = f" ({titles.names[column]!r})" if titles.names else ""
            raise InputError(f"--columns: {text} has column {column + 1}{name} twice; give it once")
    return tuple(picks)


def _items(text: str, titles: Titles) -> Sequence[str]:
    if titles.names and text in titles.names:
        return [text]
    try:
        items = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise InputError(f"--columns: {text} has quotes without their counterpart") from None
    stripped = [item.strip() for item in items]
    if not all(stripped) or not stripped:
        raise InputError(f"--columns: {text!r} names nothing; give names or numbers: a,c:f,3-10")
    return stripped


def _item(item: str, titles: Titles) -> Iterator[Pick]:
    names = titles.names or ()
    numbers = _NUMBERS.fullmatch(item)
    if item in names:
        yield Pick(titles.column(item, "--columns"), True)
    elif numbers:
        first = _number(numbers[1], titles)
        last = first if numbers[2] is None else _number(numbers[2], titles)
        yield from _range(item, first, last, singly=numbers[2] is None)
    elif ":" in item and names:
        yield from _range(item, *_ends(item, titles), singly=False)
    else:
        yield Pick(titles.column(item, "--columns"), True)


def _range(item: str, first: int, last: int, *, singly: bool) -> Iterator[Pick]:
    if last < first:
        raise InputError(f"--columns: {item} runs backwards; give the first column first")
    return (Pick(column, singly) for column in range(first, last + 1))


def _number(digits: str, titles: Titles) -> int:
    """Return a column, counted from 0, by its number, counted from 1."""
    if not 1 <= int(digits[:12]) <= titles.count:
        raise InputError(
            f"{titles.source}: --columns: there is no column {digits}, they are numbered from 1 to "
            f"{titles.count}"
        )
    return int(digits) - 1


def _ends(item: str, titles: Titles) -> tuple[int, int]:
    """Return the first and last column of a range of names, which may hold colons themselves."""
    names = titles.names or ()
    known = {"", *names}
    splits = [(item[: at.start()], item[at.end() :]) for at in re.finditer(":", item)]
    fitting = [(low, high) for low, high in splits if low in known and high in known]
    low, high = (fitting or splits)[0]
    first = titles.column(low, "--columns") if low else 0
    last = titles.column(high, "--columns") if high else titles.count - 1
    return first, last
