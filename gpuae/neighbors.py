"""Nearest neighbours among codes: rows of which a model makes the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.steps import step

Metric: TypeAlias = Literal["euclidean", "cosine"]
BLOCK_ROWS = 4096
"""So many rows are looked for at once."""
SHOWN_CHARACTERS = 80
"""Of what a person typed, in a message."""
MOST_DIGITS = 18
"""Of a row number that fits into 64 bits."""
_ROWS = re.compile(r"[\d\s,-]*\d[\d\s,-]*", re.ASCII)
_ITEM = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)


@dataclass(frozen=True)
class Neighbors:
    """The rows nearest to each of m rows, nearest first and of equal distance by number."""

    numbers: NDArray[np.int64]
    """Of rows, counted from 0, (m, count)."""
    distances: NDArray[np.float64]
    """(m, count)."""


def nearest(
    codes: NDArray[np.floating],
    asked: NDArray[np.floating],
    count: int,
    *,
    metric: Metric = "euclidean",
    own: NDArray[np.int64] | None = None,
) -> Neighbors:
    """Find the `count` rows of codes (n, k) that are nearest to each row of asked (m, k).

    Parameters
    ----------
    codes
        Of the rows to choose from, (n, k).
    asked
        Codes (m, k) whose neighbours are wanted.
    count
        How many neighbours of each.
    metric
        `euclidean`: ‖a − b‖; `cosine`: 1 − cos(a, b), where a code of zeros is at 1 from all.
    own
        Which rows of `codes` the asked ones are, (m,): none of them is its own neighbour.

    Returns
    -------
    Neighbors
        Numbers of rows and distances, each (m, count).

    Raises
    ------
    InputError
        Where there are fewer than `count` rows to choose from.
    """
    from sklearn.neighbors import NearestNeighbors

    _check_count(count, len(codes) - (own is not None))
    codes, asked = codes.astype(np.float64), asked.astype(np.float64)
    search = NearestNeighbors(metric=metric).fit(codes)
    numbers = np.empty((len(asked), count), np.int64)
    distances = np.empty((len(asked), count))
    with step(len(asked), "rows") as told:
        for start in range(0, len(asked), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            far, near = search.kneighbors(asked[part], count + (own is not None))
            if own is not None:
                far, near = _without(own[part], far, near)
            if metric == "euclidean":  # what was found by products is off by rounding
                far = np.linalg.norm(codes[near] - asked[part][:, None], axis=2)
            order = np.lexsort((near, far))
            numbers[part] = np.take_along_axis(near, order, axis=1)
            distances[part] = np.take_along_axis(far, order, axis=1)
            told.reach(start + len(near))
    return Neighbors(numbers, distances)


def _check_count(count: int, others: int) -> None:
    if not others:
        raise InputError("a single row has no neighbours; give more rows")
    if not 1 <= count <= others:
        raise InputError(
            f"k={count}: there are {others} rows to choose neighbours from; give a k from 1 to "
            f"{others}"
        )


def _without(
    own: NDArray[np.int64], distances: NDArray[np.float64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Leave one of the neighbours (m, c) of each row out: itself, or the last if it is not there.

    It is not where more others than were looked for are all the same.
    """
    kept = numbers != own[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (len(numbers), numbers.shape[1] - 1)
    return distances[kept].reshape(shape), numbers[kept].reshape(shape)


def are_row_numbers(text: str) -> bool:
    """Whether a text can only be meant as row numbers, such as 0,5,10-19."""
    return _ROWS.fullmatch(text) is not None


def row_numbers(text: str, count: int, source: str, option: str = "--of") -> NDArray[np.int64]:
    """Return the rows that a text such as 0,5,10-19 names, out of `count`, counted from 0.

    `option` is what a person has given it to.

    Raises
    ------
    InputError
        For what is no number or range, ranges that run backwards, and rows that are not there.
    """
    try:
        parts = [_item(item.strip(), text, count, source) for item in text.split(",")]
    except InputError as error:
        raise InputError(f"{option}: {error}") from None
    return np.concatenate(parts)


def _item(item: str, text: str, count: int, source: str) -> NDArray[np.int64]:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise InputError(
            f"{_short(text)!r} has {_short(item)!r} where a row or a range of rows is "
            "needed; give numbers from 0, such as 0,5,10-19"
        )
    first, last = (_number(digits, count, source) for digits in (found[1], found[2] or found[1]))
    if last < first:
        raise InputError(f"{item} runs backwards; give the first row first")
    return np.arange(first, last + 1)


def _number(digits: str, count: int, source: str) -> int:
    number = int(digits) if len(digits) <= MOST_DIGITS else count
    if number >= count:
        raise InputError(
            f"{source} has no row {_short(digits)}; its {count} rows are numbered from 0 to "
            f"{count - 1}"
        )
    return number


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
