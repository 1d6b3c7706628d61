"""Parquet, through pyarrow, which is an extra: numeric columns are the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpuae.errors import InputError
from gpuae.importers.categories import categories
from gpuae.importers.column_file import ColumnFile, number_type
from gpuae.importers.columns import Titles
from gpuae.importers.counters import counter_notes
from gpuae.importers.joined_rows import TableColumns
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.parquet_file import ParquetColumns
from gpuae.importers.parquet_labels import labels, texts
from gpuae.importers.parquet_rows import matrix
from gpuae.importers.parquet_times import seconds_of
from gpuae.importers.roles import Roles, assign
from gpuae.memory import data_memory
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import arrow_errors, check_installed
from gpuae.storage.rows.categorical import member_names
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.words import listed

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class NamedTitles(Titles):
    """Columns that all have names, each another one."""

    names: tuple[str, ...]


def load(file: InputFile, options: ReadOptions = AS_IT_IS, memory: int | None = None) -> Dataset:
    """Return the numeric columns of a parquet file as rows, others at most as labels or row ids.

    They are read in parts, of which a page of each column is in memory, as whoever wrote the file
    made it. Integers that lack values become floats.

    Parameters
    ----------
    memory
        Bytes of rows that may be in memory; more are in a file without a name, which is mapped.
        None for as many as suit this machine.

    Raises
    ------
    InputError
        Where pyarrow is missing; for damaged files, columns that are not there or hold no numbers,
        or values that are missing (unless they may be).
    """
    check_installed(file.path, InputError)
    return load_columns(ParquetColumns(file), options, memory)


def load_columns(columns: ColumnFile, options: ReadOptions, memory: int | None) -> Dataset:
    """Return the numeric columns of a file as rows, as `load` says."""
    path = columns.file.path
    most = data_memory(None) if memory is None else memory
    titles = _titles(columns)
    roles = assign(titles, options)
    features = _features(titles, columns.types, roles)
    names = tuple(titles.names[column] for column in features)
    table = _table(columns, roles, features, options, most)
    x = table.joined(most)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=labels(columns, roles.label),
            feature_names=(*names, *member_names(table.categorical)),
            row_id=labels(columns, roles.row_id),
            categorical=table.categorical,
        ),
        file=columns.file,
        notes=(*columns.notes, *roles.notes, *_left_out(titles, roles, features), *counters),
        weights=labels(columns, roles.weight),
    )


def _table(
    columns: ColumnFile,
    roles: Roles,
    features: tuple[int, ...],
    options: ReadOptions,
    memory: int,
) -> TableColumns:
    """Read the columns of numbers, of times and of categories."""
    numbers = [columns.names[column] for column in features if column not in roles.times]
    x = None
    if numbers:
        with arrow_errors(str(columns.file), columns.what):
            x = matrix(columns, numbers, options, memory)
    times = {
        place: seconds_of(columns, column, options)
        for place, column in enumerate(features)
        if column in roles.times
    }
    source = str(columns.file)
    codes = []
    for column in roles.categorical:
        words = texts(columns, column).tolist()
        codes.append(categories(words, columns.names[column], source, options))
    return TableColumns(source, columns.rows, x, times, codes)


def _titles(columns: ColumnFile) -> NamedTitles:
    """Return the names of all columns."""
    path, names = columns.file.path, columns.names
    if len(set(names)) < len(names):
        raise InputError(f"{path}: some of its columns have the same name; rename them")
    return NamedTitles(str(path), len(names), names)


def _features(titles: NamedTitles, types: list[pa.DataType], roles: Roles) -> tuple[int, ...]:
    """Return the columns of features: those that hold numbers, and no others that were asked for.

    Raises
    ------
    InputError
        For a column that was asked for and holds something else, and where none is left.
    """
    chosen = roles.features()
    for column in chosen:
        if column in roles.times:
            continue
        if column in roles.requested and number_type(types[column]) is None:
            raise InputError(
                f"{titles.source}: the column {titles.names[column]!r} holds {types[column]}, not "
                "numbers; choose other columns by --columns"
            )
    numeric = tuple(
        column
        for column in chosen
        if column in roles.times or number_type(types[column]) is not None
    )
    if not numeric and not roles.categorical:
        raise InputError(f"{titles.source}: has no column of numbers that could be a feature")
    return numeric


def _left_out(titles: NamedTitles, roles: Roles, features: tuple[int, ...]) -> tuple[str, ...]:
    """Say which columns are no features for want of numbers."""
    names = [titles.names[c] for c in roles.features() if c not in features]
    if not names:
        return ()
    return (f"left out, because they hold no numbers: {listed(names)}",)
