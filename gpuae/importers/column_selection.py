"""Which columns of some rows are wanted: those that a person lists, those that a model knows.

A list, as `--columns` has it, is separated by commas. `mass` is a name (in double quotes if it
holds a comma), `5` the fifth column, `3-10` the third to the tenth, `a:f` those from the one named
a to the one named f, `a:` and `:f` the same to the last or from the first. A number that is the
name of another column, or could be one where names are numbers, is refused: `400:500` are names
and `@3-10` numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpuae.errors import InputError
from gpuae.importers.columns import Titles, shortened
from gpuae.importers.options import ReadOptions
from gpuae.words import counted

NUMBER_SIGN = "@"
"""Before numbers that are no names."""
_NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Selection:
    """Columns that are wanted, by number from 0."""

    columns: tuple[int, ...]
    """In the order in which they are wanted."""
    among: tuple[int, ...]
    """Those they were chosen from by the names that are wanted."""
    requested: frozenset[int]
    """Those of them that are wanted one by one, not as part of a range or of everything."""

    def notes(
        self, titles: Titles, options: ReadOptions, default: tuple[int, ...], others: int = 0
    ) -> tuple[str, ...]:
        """Say that columns were taken by name where others were there by `default`.

        So many `others` are taken by name too, as categories.
        """
        if options.names is None or self.columns in (self.among, default):
            return ()
        taken = len(self.columns) + others
        if taken == titles.count:
            return (f"the columns are taken by name, in the order of {options.names_of}",)
        count = counted(taken, "column")
        return (f"of {titles.count} columns the {count} of {options.names_of} are taken by name",)


def select(titles: Titles, options: ReadOptions) -> Selection:
    """Select columns: first those that are listed, and of them those wanted by name.

    Raises
    ------
    InputError
        For columns that are not there.
    """
    picks = None if options.columns is None else resolve(options.columns, titles)
    among = tuple(range(titles.count)) if picks is None else tuple(p.column for p in picks)
    wanted = _wanted(titles, options, among)
    if wanted is not None:
        return Selection(wanted, among, frozenset(wanted))
    return Selection(among, among, frozenset(pick.column for pick in picks or () if pick.singly))


def _wanted(titles: Titles, options: ReadOptions, among: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return where the features that are wanted by name are; None where names do not tell."""
    names = options.names
    wanted = set(names or ())
    if names is None or titles.names is None or len(wanted) < len(names):
        return None
    place: dict[str, int] = {}
    for column in among:
        if titles.names[column] in place and titles.names[column] in wanted:
            titles.column(titles.names[column], f"of the columns of {options.names_of}")
        place.setdefault(titles.names[column], column)
    missing = [name for name in names if name not in place]
    if missing:
        raise InputError(
            f"{titles.source}: lacks {counted(len(missing), 'column')} of {options.names_of}, the "
            f"first is {missing[0]!r}{titles.hint(missing[0])}"
        )
    return tuple(place[name] for name in names)


@dataclass(frozen=True)
class Pick:
    """One column that was asked for."""

    column: int
    """Counted from 0."""
    singly: bool
    """By its own name or number, not within a range."""


def resolve(text: str, titles: Titles, option: str = "--columns") -> tuple[Pick, ...]:
    """Return the columns that a person asked for by an option, in that order.

    Raises
    ------
    InputError
        For names and numbers that are not there or could be each other, ranges that run backwards,
        a column asked for twice, and for nothing.
    """
    asked = _Asked(titles, option)
    picks = [pick for item in _items(text, asked) for pick in _item(item, asked)]
    seen: set[int] = set()
    for pick in picks:
        if pick.column in seen:
            name = f" ({titles.names[pick.column]!r})" if titles.names else ""
            raise InputError(
                f"{option}: {shortened(text)} has column {pick.column + 1}{name} twice; "
                "give it once"
            )
        seen.add(pick.column)
    return tuple(picks)


@dataclass(frozen=True)
class _Asked:
    """Among which columns a list chooses, and by which option it was given."""

    titles: Titles
    option: str


def _items(text: str, asked: _Asked) -> Sequence[str]:
    if text in asked.titles.places:
        return [text]
    try:
        items = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise InputError(
            f"{asked.option}: {shortened(text)} has quotes without their counterpart"
        ) from None
    stripped = [item.strip() for item in items]
    if not all(stripped) or not stripped:
        raise InputError(
            f"{asked.option}: {shortened(text)!r} names nothing; give names or numbers: a,c:f,3-10"
        )
    return stripped


def _item(item: str, asked: _Asked) -> Sequence[Pick]:
    """Return the columns that an item asks for, which may be in one way only."""
    numbers = _NUMBERS.fullmatch(item.removeprefix(NUMBER_SIGN))
    if item in asked.titles.places:
        named = (Pick(asked.titles.column(item, asked.option), True),)
        _check_unambiguous(item, numbers, named, asked)
        return named
    if numbers:
        named_ends = _named_ends(numbers, asked.titles)
        if (
            named_ends
            and not _are_there(numbers, asked.titles)
            and not item.startswith(NUMBER_SIGN)
        ):
            return named_ends
        _check_unambiguous(item, numbers, named_ends, asked)
        return _numbered(item, numbers, asked)
    if ":" in item and asked.titles.names:
        first, last = _ends(item, asked)
        return _range(item, first, last, asked, singly=first == last)
    return (Pick(asked.titles.column(item, asked.option), True),)


def _numbered(item: str, numbers: re.Match[str], asked: _Asked) -> tuple[Pick, ...]:
    """Return the columns of a number, or of a range of numbers."""
    low, high = numbers.groups()
    first = asked.titles.numbered(low, asked.option)
    last = first if high is None else asked.titles.numbered(high, asked.option)
    return _range(item, first, last, asked, singly=high is None)


def _named_ends(numbers: re.Match[str], titles: Titles) -> tuple[Pick, ...] | None:
    """Return the columns from one name to another, which are numbers; None where they are none."""
    places = [titles.places.get(number, []) for number in numbers.groups() if number is not None]
    if not all(len(place) == 1 for place in places):
        return None
    (first, *_), (last, *_) = places[0], places[-1]
    return tuple(Pick(column, len(places) == 1) for column in range(first, last + 1))


def _check_unambiguous(
    item: str, numbers: re.Match[str] | None, named: tuple[Pick, ...] | None, asked: _Asked
) -> None:
    """Refuse numbers that are names as well and would choose other columns as names.

    Where most names are numbers, such as wavelengths, all numbers could be names.
    """
    if numbers is None or item.startswith(NUMBER_SIGN):
        return
    titles = asked.titles
    names = {item, *numbers.groups()} & titles.places.keys()
    could_be_names = titles.are_numbers or bool(names)
    if could_be_names and _are_there(numbers, titles) and named != _numbered(item, numbers, asked):
        low, high = (item, item) if item in names else (numbers[1], numbers[2] or numbers[1])
        raise InputError(
            f"{titles.source}: {asked.option}: {item} could be names of columns or their numbers; "
            f"give {low}:{high} for the names, or {NUMBER_SIGN}{item} for the numbers"
        )


def _are_there(numbers: re.Match[str], titles: Titles) -> bool:
    """Whether there are columns of these numbers."""
    return all(titles.has_number(number) for number in numbers.groups() if number is not None)


def _range(item: str, first: int, last: int, asked: _Asked, *, singly: bool) -> tuple[Pick, ...]:
    if last < first:
        raise InputError(f"{asked.option}: {item} runs backwards; give the first column first")
    return tuple(Pick(column, singly) for column in range(first, last + 1))


def _ends(item: str, asked: _Asked) -> tuple[int, int]:
    """Return the first and last column of a range of names, which may hold colons themselves."""
    titles, option = asked.titles, asked.option
    longest = max(map(len, titles.places))  # what is longer is not looked up: it could be a book
    fitting = (
        (item[: at.start()], item[at.end() :])
        for at in re.finditer(":", item)
        if max(at.start(), len(item) - at.end()) <= longest
    )
    known = (ends for ends in fitting if all(not end or end in titles.places for end in ends))
    low, high = next(known, item.split(":", 1))
    first = titles.column(low, option) if low else 0
    last = titles.column(high, option) if high else titles.count - 1
    return first, last
