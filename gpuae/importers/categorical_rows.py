"""Rows that hold columns of categories already: some of them, in the order that is wanted."""

from __future__ import annotations

from dataclasses import replace

from gpuae.errors import InputError
from gpuae.importers.categories import unknown_value
from gpuae.importers.column_selection import select
from gpuae.importers.columns import Titles
from gpuae.importers.options import ReadOptions
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.categorical import (
    Categorical,
    CategoricalColumn,
    member_names,
    places,
    widths,
)
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.views import NOWHERE, Columns, load_if_cheap


def with_categories(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Return a dataset with the columns and the categories that a person, or a model, wants.

    Categories that are wanted and not there are columns of zeros.

    Raises
    ------
    InputError
        For columns that are not there, and for rows of a category that is not wanted, unless these
        are to be ignored.
    """
    if not dataset.categorical:
        return _with_members(dataset, options)
    numbers = dataset.x.shape[1] - sum(widths(dataset.categorical))
    chosen, wanted, notes = _wanted(dataset, numbers, options)
    columns = list(chosen)
    for column in wanted:
        columns += _members(dataset, column, options)
    names = dataset.feature_names
    if columns != list(range(dataset.x.shape[1])):
        view = Columns(dataset.x, columns)
        dataset = replace(
            dataset,
            x=load_if_cheap(view, dataset.x),
            metadata=replace(dataset.metadata, feature_names=None, categorical=()),
        )
    named = names and (*(names[column] for column in chosen), *member_names(wanted))
    metadata = replace(dataset.metadata, feature_names=named, categorical=wanted)
    return replace(dataset, metadata=metadata, notes=(*dataset.notes, *notes))


def _wanted(
    dataset: Dataset, numbers: int, options: ReadOptions
) -> tuple[tuple[int, ...], Categorical, tuple[str, ...]]:
    """Return which numbers and which columns of categories are wanted, and what to say of that."""
    names = dataset.feature_names and dataset.feature_names[:numbers]
    if options.known:
        titles = Titles(dataset.source, numbers, names)
        selection = select(titles, options)
        notes = selection.notes(titles, options, selection.among)
        return selection.columns, options.known, notes
    own = dataset.categorical
    whole = names and (*names, *(column.name for column in own))
    titles = Titles(dataset.source, numbers + len(own), whole)
    selection = select(titles, options)
    chosen = tuple(column for column in selection.columns if column < numbers)
    groups = tuple(own[column - numbers] for column in selection.columns if column >= numbers)
    return chosen, groups, selection.notes(titles, options, selection.among)


def _members(dataset: Dataset, wanted: CategoricalColumn, options: ReadOptions) -> list[int]:
    """Return where the members of a column of categories are; `NOWHERE` for those that are not."""
    own = zip(
        dataset.categorical, places(dataset.x.shape[1], widths(dataset.categorical)), strict=True
    )
    for column, place in own:
        if column.name == wanted.name:
            found = {value: place.start + n for n, value in enumerate(column.values)}
            others = [value for value in column.values if value not in wanted.values]
            if not options.ignores_unknown:
                unused = {found[value]: value for value in others}
                _check_unused(dataset, column.name, unused, options)
            return [found.get(value, NOWHERE) for value in wanted.values]
    raise InputError(
        f"{dataset.source}: lacks the column of categories {wanted.name!r} of {options.names_of}; "
        "give data that have it"
    )


def _check_unused(
    dataset: Dataset, name: str, values: dict[int, str], options: ReadOptions
) -> None:
    """Refuse rows that have one of some categories, by their columns."""
    if not values:
        return
    for start, block in row_blocks.blocks(Columns(dataset.x, tuple(values))):
        used = block != 0
        if used.any():
            row = int(used.any(axis=1).argmax())
            value = list(values.values())[int(used[row].argmax())]
            raise unknown_value(dataset.source, start + row, name, value, options)


def _with_members(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Return rows of which categories are known with these, if members of them are what they hold.

    They are the last columns of rows without names, or have their members' names.
    """
    names = options.names and (*options.names, *member_names(options.known))
    titles = Titles(dataset.source, dataset.x.shape[1], dataset.feature_names)
    selection = select(titles, replace(options, names=names))
    least = sum(widths(options.known))
    if len(selection.columns) < least:
        raise InputError(
            f"{dataset.source}: has {len(selection.columns)} columns and the categories of "
            f"{options.names_of} take {least}; give a table, or rows that convert has made of one"
        )
    columns = selection.columns
    x, metadata = dataset.x, dataset.metadata
    if columns != tuple(range(titles.count)):
        x = load_if_cheap(Columns(x, columns), x)
        named = titles.names and tuple(titles.names[column] for column in columns)
        metadata = replace(metadata, feature_names=named, image_shape=None)
    notes = (*dataset.notes, *selection.notes(titles, options, selection.among))
    return replace(dataset, x=x, metadata=replace(metadata, categorical=options.known), notes=notes)
