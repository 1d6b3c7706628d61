"""The columns of some rows: how many there are, and how they are called."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property

from gpuae.errors import InputError
from gpuae.importers.numerals import is_number
from gpuae.words import listed

LONGEST_SHOWN = 80
"""Characters of what a person typed, in a message."""


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
            places = listed([str(column + 1) for column in found])
            raise InputError(
                f"{self.source}: {why}: the columns {places} are all named {name!r}; "
                "rename all but one"
            )
        if not found:
            raise InputError(
                f"{self.source}: {why}: no column is named {shortened(name)!r}{self.hint(name)}"
            )
        return found[0]

    def place(self, name: str, why: str) -> int:
        """Return the column of that name, or where there are no names the one of that number.

        Raises
        ------
        InputError
            Where there is none, or more than one.
        """
        nameless = self.names is None and name.isdecimal()
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
        return f"; there are {listed([*map(repr, self.names)])}"


def shortened(text: str) -> str:
    """Return the beginning of what a person typed, for a message."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
