"""What each column is: a feature, the labels, what identifies rows, or nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from gpuae.errors import InputError
from gpuae.importers.choice import choose
from gpuae.importers.columns import Titles
from gpuae.importers.options import AS_IT_IS, ReadOptions

LABEL_NAMES = frozenset({"label", "labels", "target", "y", "class"})
ID_NAMES = frozenset({"row_id", "__index_level_0__"})
"""Ours, and that of pandas in parquet for an index without a name."""


@dataclass(frozen=True)
class Roles:
    """The columns of some rows, by number from 0, as far as names alone tell."""

    label: int | None
    row_id: int | None
    candidates: tuple[int, ...]
    """Columns that are features unless they are something else, in their order."""
    claimed: frozenset[int]
    """Those among them that were asked for one by one: nothing else is made of them."""
    notes: tuple[str, ...] = ()
    """What a person should hear of, one sentence each."""

    def features(self, *others: int | None) -> tuple[int, ...]:
        """Return the columns of features, if `others` are known to be something else."""
        taken = {self.label, self.row_id, *others} - self.claimed
        return tuple(column for column in self.candidates if column not in taken)


def assign(titles: Titles, options: ReadOptions, index: int | None = None) -> Roles:
    """Say what the columns are, from their names and from what a person says.

    Parameters
    ----------
    index
        A column that may turn out to number the rows.

    Raises
    ------
    InputError
        For columns that are not there or asked to be two things, or where it is not clear which
        one holds the labels.
    """
    choice = choose(titles, options)
    label = _said(titles, options.label_column, "--label-column", choice.claimed)
    row_id = _said(titles, options.id_column, "--id-column", choice.claimed)
    notes = []
    before = options.before or AS_IT_IS
    if row_id is None:
        row_id = _as_before(titles, before.id_column, choice.claimed | {label})
        notes += _told(titles, row_id, f"row_id, as for {options.names_of}")
    if label is None:
        label = _as_before(titles, before.label_column, choice.claimed | {row_id})
        notes += _told(titles, label, f"labels y, as for {options.names_of}")
    if label is None:
        label = guess_label(titles, choice.claimed | {row_id})
        notes += _told(titles, label, "labels y, not as a feature")
    if row_id is None:
        row_id = next(iter(_named(titles, ID_NAMES, choice.claimed | {label})), None)
        notes += _told(titles, row_id, "row_id")
    roles = Roles(label, row_id, choice.columns, choice.claimed, tuple(notes))
    default = replace(roles, candidates=choice.among).features(index)
    return replace(roles, notes=(*notes, *choice.notes(titles, options, default)))


def _said(titles: Titles, name: str | None, option: str, claimed: Collection[int]) -> int | None:
    """Return the column that an option names, or numbers where there are no names."""
    if name is None:
        return None
    column = titles.place(name, option)
    if column in claimed:
        raise InputError(
            f"{titles.source}: {option}: {name!r} is one of the features; it can be only one thing"
        )
    return column


def _as_before(titles: Titles, name: str | None, taken: Collection[int | None]) -> int | None:
    """Return the column that was called so before; None where there is none, or it is taken."""
    if name is None:
        return None
    if titles.names is None:
        found = [titles.numbered(name, "")] if titles.has_number(name) else []
    else:
        found = titles.places.get(name, [])
    free = [column for column in found if column not in taken]
    return free[0] if len(free) == 1 else None


def guess_label(titles: Titles, claimed: Collection[int | None] = ()) -> int | None:
    """Return the column that has a name as labels have.

    Raises
    ------
    InputError
        Where several have.
    """
    found = _named(titles, LABEL_NAMES, claimed)
    if len(found) > 1 and titles.names:
        names = " and ".join(repr(titles.names[column]) for column in found)
        raise InputError(
            f"{titles.source}: {names} could all be the labels; give --label-column, or rename all "
            "but one"
        )
    return found[0] if found else None


def _named(titles: Titles, names: Collection[str], claimed: Collection[int | None]) -> list[int]:
    own = enumerate(titles.names or ())
    return [column for column, name in own if name.casefold() in names and column not in claimed]


def _told(titles: Titles, column: int | None, what: str) -> list[str]:
    if column is None:
        return []
    name = repr(titles.names[column]) if titles.names else str(column + 1)
    return [f"the column {name} is taken as the {what}"]
