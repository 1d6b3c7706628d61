"""What each column is: a feature, the labels, what identifies rows, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from gpuae.errors import InputError
from gpuae.importers.categorical_rows import with_categories
from gpuae.importers.column_selection import resolve, select
from gpuae.importers.columns import Titles
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.views import Columns, load_if_cheap
from gpuae.words import listed

LABEL_NAMES = ("y", "label", "labels", "target", "class")
"""Of columns and vectors that hold labels, in every format; the first one wins where files have no
columns to choose from."""
ID_NAMES = frozenset({"row_id", "__index_level_0__"})
"""Ours, and that of pandas in parquet for an index without a name."""


@dataclass(frozen=True)
class Roles:
    """The columns of some rows, by number from 0, as far as names alone tell."""

    label: int | None
    row_id: int | None
    weight: int | None
    candidates: tuple[int, ...]
    """Columns that are features unless they are something else, in their order."""
    requested: frozenset[int]
    """Those among them that were asked for one by one: nothing else is made of them."""
    categorical: tuple[int, ...] = ()
    """Columns of categories, which are no features themselves."""
    times: frozenset[int] = frozenset()
    """Those among the candidates that hold dates and times."""
    notes: tuple[str, ...] = ()
    """What a person should hear of, one sentence each."""

    @property
    def others(self) -> tuple[int | None, ...]:
        """The columns that are no features."""
        return self.label, self.row_id, self.weight

    def features(self, *others: int | None) -> tuple[int, ...]:
        """Return the columns of features, if `others` are known to be something else."""
        taken = {*self.others, *others} - self.requested | {*self.categorical}
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
    selection = select(titles, options)
    before = options.before or AS_IT_IS
    categorical = _categorical(titles, options)
    times = _times(titles, options, before)
    taken = selection.requested | {*categorical} | times
    _check_one_thing(titles, categorical, times)
    label = _asked_for(titles, options.label_column, "--label-column", taken)
    row_id = _asked_for(titles, options.id_column, "--id-column", taken)
    weight = _weight(titles, options, (label, row_id), taken)
    notes = _note(titles, weight, _as_of(options)) if options.weight_column is None else []
    if row_id is None:
        row_id = _as_before(titles, before.id_column, taken | {label, weight})
        notes += _note(titles, row_id, f"row_id, as for {options.names_of}")
    if label is None:
        label = _as_before(titles, before.label_column, taken | {row_id, weight})
        notes += _note(titles, label, f"labels y, as for {options.names_of}")
    if label is None:
        label = guess_label(titles, taken | {row_id, weight})
        notes += _note(titles, label, "labels y, not as a feature")
    if row_id is None:
        row_id = next(iter(_named(titles, ID_NAMES, taken | {label, weight})), None)
        notes += _note(titles, row_id, "row_id")
    candidates = selection.columns
    if (
        options.columns is not None and options.names is None
    ):  # times are features, whether or not they are listed
        candidates += tuple(sorted(times - {*candidates}))
    own = (candidates, selection.requested, categorical, times, tuple(notes))
    roles = Roles(label, row_id, weight, *own)
    default = replace(roles, candidates=selection.among).features(index)
    told = selection.notes(titles, options, default, len(categorical))
    return replace(roles, notes=(*notes, *told))


def _categorical(titles: Titles, options: ReadOptions) -> tuple[int, ...]:
    """Return the columns of categories: those that are listed, or those that are known by name."""
    if options.categorical is not None:
        return tuple(pick.column for pick in resolve(options.categorical, titles, "--categorical"))
    why = f"of the categories of {options.names_of}"
    return tuple(titles.place(column.name, why) for column in options.known)


def _times(titles: Titles, options: ReadOptions, before: ReadOptions) -> frozenset[int]:
    """Return the columns of dates and times: those that are listed, or as before if they fit."""
    if options.times is not None:
        return frozenset(pick.column for pick in resolve(options.times, titles, "--times"))
    if before.times is None:
        return frozenset()
    try:
        return frozenset(pick.column for pick in resolve(before.times, titles, "--times"))
    except InputError:  # the columns are others than then
        return frozenset()


def _check_one_thing(titles: Titles, categorical: Collection[int], times: Collection[int]) -> None:
    """Refuse a column that is to hold categories and times."""
    for column in set(categorical) & set(times):
        name = titles.names[column] if titles.names else str(column + 1)
        raise InputError(
            f"{titles.source}: --times: {name!r} is a column of categories; it can be only one "
            "thing"
        )


def _asked_for(
    titles: Titles, name: str | None, option: str, requested: Collection[int]
) -> int | None:
    """Return the column that an option names, or numbers where there are no names."""
    if name is None:
        return None
    column = titles.place(name, option)
    if column in requested:
        raise InputError(
            f"{titles.source}: {option}: {name!r} is one of the features; it can be only one thing"
        )
    return column


def _weight(
    titles: Titles,
    options: ReadOptions,
    others: tuple[int | None, ...],
    requested: Collection[int],
) -> int | None:
    """Return the column of weights that is asked for, or was for the rows of a model."""
    if options.weight_column is None:
        before = options.before or AS_IT_IS
        return _as_before(titles, before.weight_column, {*requested, *others})
    column = _asked_for(titles, options.weight_column, "--weight-column", requested)
    if column in others:
        raise InputError(
            f"{titles.source}: --weight-column: {options.weight_column!r} is the column of labels "
            "or ids, too; it can be only one thing"
        )
    return column


def _as_of(options: ReadOptions) -> str:
    return f"weights of the rows, as for {options.names_of}"


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


def named_as_labels(names: Iterable[str]) -> list[str]:
    """Return the names that labels have, in the order of preference; case does not count."""
    known = [(LABEL_NAMES.index(name.casefold()), name) for name in names if is_label_name(name)]
    return [name for _, name in sorted(known)]


def is_label_name(name: str) -> bool:
    """Whether labels have such a name; case does not count."""
    return name.casefold() in LABEL_NAMES


def guess_label(titles: Titles, requested: Collection[int | None] = ()) -> int | None:
    """Return the column that has a name as labels have.

    Raises
    ------
    InputError
        Where several have.
    """
    found = _named(titles, LABEL_NAMES, requested)
    if len(found) > 1 and titles.names:
        own = [repr(titles.names[column]) for column in found]
        names = listed(own, separator=" and ", more="others")
        raise InputError(
            f"{titles.source}: {names} could all be the labels; give --label-column, or rename all "
            "but one"
        )
    return found[0] if found else None


def _named(titles: Titles, names: Collection[str], requested: Collection[int | None]) -> list[int]:
    own = enumerate(titles.names or ())
    return [column for column, name in own if name.casefold() in names and column not in requested]


def _note(titles: Titles, column: int | None, what: str) -> list[str]:
    if column is None:
        return []
    name = repr(titles.names[column]) if titles.names else str(column + 1)
    return [f"the column {name} is taken as the {what}"]


def with_columns(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Return a dataset with those of its columns that a person, or a model, wants.

    Raises
    ------
    InputError
        For columns that are not there, and for ids, labels or weights of what has none by name.
    """
    for option, name, remedy in (
        ("--id-column", options.id_column, "leave it out"),
        ("--label-column", options.label_column, "leave it out"),
        ("--categorical", options.categorical, "leave it out"),
        ("--times", options.times, "leave it out"),
        ("--weight-column", options.weight_column, "give a file of weights by --weights"),
    ):
        if name is not None:
            raise InputError(
                f"{dataset.source}: {option} {name}: only tables, csv or parquet, have columns "
                f"that are not features; {remedy}"
            )
    if dataset.categorical or options.known:
        return with_categories(dataset, options)
    titles = Titles(dataset.source, dataset.x.shape[1], dataset.feature_names)
    selection = select(titles, options)
    if selection.columns == tuple(range(titles.count)):
        return dataset
    names = dataset.feature_names
    return replace(
        dataset,
        x=load_if_cheap(Columns(dataset.x, selection.columns), dataset.x),
        metadata=replace(
            dataset.metadata,
            feature_names=names and tuple(names[column] for column in selection.columns),
            image_shape=None,
        ),
        notes=(*dataset.notes, *selection.notes(titles, options, selection.among)),
    )
