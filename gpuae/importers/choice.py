"""Which columns of some rows are wanted: those that a person lists, those that a model knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gpuae.errors import InputError
from gpuae.importers.columns import Titles, resolve
from gpuae.importers.options import ReadOptions


@dataclass(frozen=True)
class Choice:
    """Columns by number from 0."""

    columns: tuple[int, ...]
    """In the order in which they are wanted."""
    among: tuple[int, ...]
    """Those they were chosen from by the names that are wanted."""
    claimed: frozenset[int]
    """Those of them that are wanted one by one, not as part of a range or of everything."""

    def notes(
        self, titles: Titles, options: ReadOptions, default: tuple[int, ...]
    ) -> tuple[str, ...]:
        """Say that columns were taken by name where others were there by `default`."""
        if options.names is None or self.columns in (self.among, default):
            return ()
        if len(self.columns) == titles.count:
            return (f"the columns are taken by name, in the order of {options.names_of}",)
        count = _counted(self.columns)
        return (f"of {titles.count} columns the {count} of {options.names_of} are taken by name",)


def choose(titles: Titles, options: ReadOptions) -> Choice:
    """Choose columns: first those that are listed, and of them those wanted by name.

    Raises
    ------
    InputError
        For columns that are not there.
    """
    picks = None if options.columns is None else resolve(options.columns, titles)
    among = tuple(range(titles.count)) if picks is None else tuple(p.column for p in picks)
    wanted = _wanted(titles, options, among)
    if wanted is not None:
        return Choice(wanted, among, frozenset(wanted))
    return Choice(among, among, frozenset(pick.column for pick in picks or () if pick.singly))


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
            f"{titles.source}: lacks {_counted(missing)} of {options.names_of}, the first is "
            f"{missing[0]!r}{titles.hint(missing[0])}"
        )
    return tuple(place[name] for name in names)


def _counted(columns: Collection[object]) -> str:
    return "1 column" if len(columns) == 1 else f"{len(columns)} columns"
