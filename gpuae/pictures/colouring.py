"""What the points of a map are coloured by: labels, a column, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.model.model import Model
from gpuae.outliers import column_names
from gpuae.pictures.picture import Vector
from gpuae.pictures.sample import Sample, worded
from gpuae.storage.rows.categorical import places

LABEL = "label"
MOST_GROUPS = 20
"""Colours that can be told apart, about, for the rest and for rows without a label too."""
MOST_VALUES = 6
"""Of a column that are groups, as 0 and 1 are; more are a scale."""
REST, NONE = "others", "no label"
SHOWN_CHARACTERS = 80
"""Of what a person typed, in a message."""


@dataclass(frozen=True)
class Colouring:
    """Groups (m,) with their names, or values (m,); neither: all points are alike."""

    what: str = ""
    groups: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    values: Vector | None = None
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> NDArray[np.bool_] | slice:
        """Which rows have a colour: those without a value have no place on its scale."""
        return slice(None) if self.values is None else np.isfinite(self.values)


def colouring(model: Model, sample: Sample, by: str | None) -> Colouring:
    """Return what rows are coloured by.

    Parameters
    ----------
    by
        `label`, the name of a column, or of a nameless one its number from 1; None: nothing.

    Raises
    ------
    InputError
        Where there are no labels, or no such column.
    """
    if by is None:
        return Colouring()
    if by == LABEL and sample.y is not None:
        return _of(sample.y, LABEL, MOST_GROUPS)
    names = column_names(model)
    if by in names:
        what = by if model.feature_names else f"column {by}"
        return _of(sample.x[:, names.index(by)], what, MOST_VALUES)
    members = places(model.network.columns, model.network.categories)
    for column, place in zip(model.categorical, members, strict=False):
        if column.name == by:
            return _of(column.likeliest(sample.x[:, place]), by, MOST_GROUPS)
    if by == LABEL:
        raise InputError(
            "colour=label: the rows have no labels; name the column that holds them when the data "
            "are read, or colour by a column or by nothing"
        )
    offer = _offer(by, names, () if sample.y is None else (LABEL,))
    raise InputError(f"colour: there is no column {by[:SHOWN_CHARACTERS]!r}; {offer}")


def _offer(by: str, names: tuple[str, ...], others: tuple[str, ...]) -> str:
    near = get_close_matches(by[:SHOWN_CHARACTERS], (*names, *others), n=1)
    if near:
        return f"is it {near[0][:SHOWN_CHARACTERS]!r}?"
    first, last = (name[:SHOWN_CHARACTERS] for name in (names[0], names[-1]))
    return f"the {len(names):,} columns are {first!r} to {last!r}"


def _of(own: NDArray[Any], what: str, most: int) -> Colouring:
    """Make groups of some distinct values or of text, and a scale of many numbers."""
    if own.dtype.kind in "biuf" and len(_distinct(own)[0]) > most:
        left = int((~np.isfinite(own)).sum())
        notes = (f"{left:,} rows without a value of {what} are not shown",) if left else ()
        return Colouring(what, values=own.astype(np.float64), notes=notes)
    return _groups(own, what)


def _distinct(own: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values that there are, ascending, without those that are no numbers; how many."""
    known = own[np.isfinite(own)] if own.dtype.kind == "f" else own
    return np.unique(known, return_counts=True)


def _groups(own: NDArray[Any], what: str) -> Colouring:
    """Make groups in the order of their values; then come the rest, and rows without one."""
    found, count = _distinct(own)
    kept = found[_largest(count, MOST_GROUPS - (count.sum() < len(own)))]
    groups, names = np.full(len(own), -1), [worded(value) for value in kept]
    for number, value in enumerate(kept):
        groups[own == value] = number
    for name, members in ((REST, np.isin(own, found)), (NONE, ~np.isin(own, found))):
        left = members & (groups < 0)
        if left.any():
            groups[left] = len(names)
            names.append(name)
    notes: tuple[str, ...] = ()
    if len(kept) < len(found):
        notes = (f"the {len(found) - len(kept):,} smallest groups of {what} are shown as one",)
    return Colouring(what, groups, tuple(names), notes=notes)


def _largest(count: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """Return which groups have a colour of their own, in their order."""
    if len(count) <= room:
        return np.arange(len(count))
    return np.sort(np.argsort(-count, kind="stable")[: room - 1])
