"""Parquet, through pyarrow, which is an extra: numeric columns are the features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.errors import InputError
from gpuae.importers.categories import categories
from gpuae.importers.columns import Titles
from gpuae.importers.counters import counter_notes
from gpuae.importers.joined_rows import TableColumns
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.parquet_file import number_type, open_parquet
from gpuae.importers.parquet_labels import labels, texts
from gpuae.importers.parquet_rows import matrix
from gpuae.importers.parquet_times import seconds_of
from gpuae.importers.roles import Roles, assign
from gpuae.memory import data_memory
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import check_installed
from gpuae.storage.rows.categorical import member_names
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.words import listed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


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
    path = file.path
    check_installed(path, InputError)
    most = data_memory(None) if memory is None else memory
    with open_parquet(file) as opened:
        titles, types = _columns(path, opened)
        roles = assign(titles, options)
        features = _features(titles, types, roles)
        names = tuple(titles.names[column] for column in features)
        rows = opened.metadata.num_rows
    table = _table(file, titles, types, roles, features, rows, options, most)
    x = table.joined(most)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=labels(file, titles.names, types, roles.label),
            feature_names=(*names, *member_names(table.categorical)),
            row_id=labels(file, titles.names, types, roles.row_id),
            categorical=table.categorical,
        ),
        file=file,
        notes=(*roles.notes, *_left_out(titles, roles, features), *counters),
        weights=labels(file, titles.names, types, roles.weight),
    )


def _table(
    file: InputFile,
    titles: NamedTitles,
    types: list[pa.DataType],
    roles: Roles,
    features: tuple[int, ...],
    rows: int,
    options: ReadOptions,
    memory: int,
) -> TableColumns:
    """Read the columns of numbers, of times and of categories."""
    numbers = [titles.names[column] for column in features if column not in roles.times]
    x = None
    if numbers:
        with open_parquet(file, columns=len(numbers)) as opened:
            x = matrix(opened, file, numbers, options, memory)
    times = {
        place: seconds_of(file, titles.names[column], types[column], options)
        for place, column in enumerate(features)
        if column in roles.times
    }
    source = str(file.path)
    codes = []
    for column in roles.categorical:
        words = texts(file, titles.names, types, column).tolist()
        codes.append(categories(words, titles.names[column], source, options))
    return TableColumns(source, rows, x, times, codes)


def _columns(path: Path, file: pq.ParquetFile) -> tuple[NamedTitles, list[pa.DataType]]:
    """Return names and types of all columns."""
    fields = list(file.schema_arrow)
    names = tuple(field.name for field in fields)
    if len(set(names)) < len(names):
        raise InputError(f"{path}: some of its columns have the same name; rename them")
    return NamedTitles(str(path), len(names), names), [field.type for field in fields]


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
