"""Columns of rows that have been opened already."""

from __future__ import annotations

from dataclasses import replace

from gpuae.errors import InputError
from gpuae.importers.choice import choose
from gpuae.importers.columns import Titles
from gpuae.importers.options import ReadOptions
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.views import Columns, load_if_cheap


def with_columns(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Return a dataset with those of its columns that a person, or a model, wants.

    Raises
    ------
    InputError
        For columns that are not there, and for ids or labels wanted of what has none by name.
    """
    for option, name in (
        ("--id-column", options.id_column),
        ("--label-column", options.label_column),
    ):
        if name is not None:
            raise InputError(
                f"{dataset.source}: {option} {name}: only tables, csv or parquet, have columns "
                "that are not features; leave it out"
            )
    titles = Titles(dataset.source, dataset.x.shape[1], dataset.feature_names)
    choice = choose(titles, options)
    if choice.columns == tuple(range(titles.count)):
        return dataset
    names = dataset.feature_names
    return replace(
        dataset,
        x=load_if_cheap(Columns(dataset.x, choice.columns), dataset.x),
        metadata=replace(
            dataset.metadata,
            feature_names=names and tuple(names[column] for column in choice.columns),
            image_shape=None,
        ),
        notes=(*dataset.notes, *choice.notes(titles, options, choice.among)),
    )
