"""Columns of categories, as rows of numbers hold them: one column for each value, 1 where it is.

They are the last columns of the rows, after all numbers. A row of which the value is not known has
0 in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.words import counted

MOST_VALUES = 1000
"""More different values are no categories, but names or ids."""
MISSING_VALUE = ""
"""The category of cells that are empty."""


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of a table that holds one of a few values in each row."""

    name: str
    values: tuple[str, ...]
    """Ascending; each has a column of the rows, in this order."""

    @property
    def member_names(self) -> tuple[str, ...]:
        """What the columns of the rows are called."""
        return tuple(f"{self.name}={value}" for value in self.values)

    def likeliest(self, members: NDArray[Any]) -> NDArray[np.str_]:
        """Return the value of the largest of each row's members (m, values); "" for rows of zeros.

        Of members that are equally large the first counts.
        """
        words = np.array(self.values)[members.argmax(axis=1)]
        return np.where(members.any(axis=1), words, MISSING_VALUE)


Categorical = tuple[CategoricalColumn, ...]


def widths(categorical: Categorical) -> tuple[int, ...]:
    """Return how many columns of the rows each column of categories takes."""
    return tuple(len(column.values) for column in categorical)


def member_names(categorical: Categorical) -> tuple[str, ...]:
    """Return the names of all columns of the rows that stand for categories."""
    return tuple(name for column in categorical for name in column.member_names)


def places(columns: int, sizes: Sequence[int]) -> Iterator[slice]:
    """Yield where groups of these sizes lie at the end of so many columns."""
    first = columns - sum(sizes)
    for size in sizes:
        yield slice(first, first + size)
        first += size


def check_count(count: int, name: str, source: str) -> None:
    """Refuse a column of too many different values.

    Raises
    ------
    InputError
        Naming the column.
    """
    if count > MOST_VALUES:
        raise InputError(
            f"{source}: the column {name!r} has {counted(count, 'different value')}, more than the "
            f"{MOST_VALUES} that categories may have, and is perhaps an id; leave it out of "
            "--categorical"
        )


def check(categorical: Categorical, columns: int, source: str) -> None:
    """Refuse columns of categories that do not fit rows of so many columns.

    Raises
    ------
    InputError
        Saying what is wrong.
    """
    if problem := first_problem(categorical, columns):
        raise InputError(f"{source}: {problem}; make it again")


def first_problem(categorical: Categorical, columns: int) -> str | None:
    """Return what is wrong with columns of categories in rows of so many; None where nothing is."""
    if sum(widths(categorical)) > columns:
        return f"the categories take {sum(widths(categorical))} columns and the rows have {columns}"
    for column in categorical:
        if not 1 <= len(column.values) <= MOST_VALUES:
            return f"the column {column.name!r} has {len(column.values)} categories"
        if len(set(column.values)) < len(column.values):
            return f"the column {column.name!r} has a category twice"
    if len({column.name for column in categorical}) < len(categorical):
        return "two columns of categories have the same name"
    return None
