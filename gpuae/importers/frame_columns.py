"""Columns that lie in parts of an HDF5 file, put together: features, labels and row ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.categories import categories
from gpuae.importers.columns import Titles
from gpuae.importers.counters import counter_notes
from gpuae.importers.joined_rows import TableColumns
from gpuae.importers.options import ReadOptions
from gpuae.importers.roles import Roles, assign
from gpuae.importers.times import seconds
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.rows import row_types
from gpuae.storage.rows.categorical import member_names
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.pages import release_pages
from gpuae.words import listed

BLOCK_BYTES = 8 << 20
NUMBERS, TEXT, TIMES, CATEGORIES = "numbers", "text", "dates and times", "categories"
OBJECTS = "Python objects (pickled, which could run anything and are not read)"
_UNIT = re.compile(r"datetime64\[(s|ms|us|ns)")


@dataclass(frozen=True)
class Column:
    """A column of a table in an HDF5 file."""

    name: str
    part: Boxes | None
    """The dataset that it lies in; None where it cannot be read."""
    field: str | None = None
    """Of the records of that dataset; None where they are plain values."""
    place: int | None = None
    """Among the values of a row, or of the field; None where there is one."""
    holds: str = NUMBERS
    """What it holds, in words."""
    unit: str = "ns"
    """Of dates and times."""
    categories: NDArray[Any] | None = None
    """That its numbers stand for, where these are known."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values as they are kept, for a column of numbers."""
        assert self.part is not None
        kind = self.part.dtype if self.field is None else self.part.dtype[self.field]
        return row_types.stored_type(kind.base, self.name)

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return its own values out of rows of its part."""
        own = values if self.field is None else values[self.field]
        return own if self.place is None else own[:, self.place]


def kind_of(dtype: np.dtype[Any]) -> str:
    """Return what values of a type are, in words."""
    if row_types.is_stored(dtype.base):
        return NUMBERS
    return TEXT if dtype.base.kind in "SU" else f"values of the type {dtype.base}"


def time_unit(words: object) -> str | None:
    """Return the unit of what pandas calls dates and times; None for anything else."""
    found = _UNIT.match(str(words))
    return found[1] if found else "ns" if str(words) == "datetime64" else None


def dataset_of(
    file: InputFile,
    source: str,
    columns: Sequence[Column],
    index: Column | None,
    options: ReadOptions,
    memory: int,
) -> Dataset:
    """Return the columns of numbers as rows, others at most as labels or row ids.

    Parameters
    ----------
    index
        What identifies the rows; one that only counts them is left out.
    memory
        Bytes of rows that may be in memory; more are in a file without a name, which is mapped.

    Raises
    ------
    InputError
        For columns that are not there or hold no numbers.
    """
    _check_rows(source, columns if index is None else [*columns, index])
    names = tuple(column.name for column in columns)
    titles = Titles(source, len(names), names)
    roles = assign(titles, options)
    features = _features(titles, columns, roles)
    table = _table(source, columns, roles, features, options, memory)
    x = table.joined(memory)
    row_id = _values(source, columns, roles.row_id)
    notes = [*roles.notes, *_left_out(columns, roles, features)]
    if row_id is None and index is not None:
        row_id = _ids(source, index)
        notes += [] if row_id is None else ["the index is taken as the row_id"]
    kept = tuple(columns[feature].name for feature in features)
    notes += counter_notes(x, kept, [feature in roles.requested for feature in features])
    metadata = RowMetadata(
        y=_values(source, columns, roles.label),
        row_id=row_id,
        feature_names=(*kept, *member_names(table.categorical)),
        categorical=table.categorical,
    )
    weights = _values(source, columns, roles.weight)
    return Dataset(x, source, metadata, file=file, notes=tuple(notes), weights=weights)


def _check_rows(source: str, columns: Sequence[Column]) -> None:
    """Refuse columns that are not equally long."""
    rows = {column.part.shape[0] for column in columns if column.part is not None}
    if len(rows) > 1:
        raise InputError(f"{source}: has columns of {sorted(rows)} rows; write it again")


def _table(
    source: str,
    columns: Sequence[Column],
    roles: Roles,
    features: tuple[int, ...],
    options: ReadOptions,
    memory: int,
) -> TableColumns:
    """Read the columns of numbers, of times and of categories."""
    numbers = [columns[feature] for feature in features if feature not in roles.times]
    times = {
        place: _seconds(source, columns[feature], options)
        for place, feature in enumerate(features)
        if feature in roles.times
    }
    codes = []
    for number in roles.categorical:
        words = _read(source, columns[number]).astype(str).tolist()
        codes.append(categories(words, columns[number].name, source, options))
    rows = next(column.part.shape[0] for column in columns if column.part is not None)
    x = _matrix(source, numbers, memory) if numbers else None
    return TableColumns(source, rows, x, times, codes)


def _seconds(source: str, column: Column, options: ReadOptions) -> NDArray[np.float64]:
    """Return dates and times, or text that says them, as seconds since 1970."""
    words = _read(source, column)
    if words.dtype.kind != "U":
        raise InputError(
            f"{source}: the column {column.name!r} holds {column.holds}, not dates or times; leave "
            "it out of --times"
        )
    return seconds(
        ["" if word == "NaT" else word for word in words.tolist()], column.name, source, options
    )


def _features(titles: Titles, columns: Sequence[Column], roles: Roles) -> tuple[int, ...]:
    """Return the columns of features: those that hold numbers, and no others that were asked for.

    Raises
    ------
    InputError
        For a column that was asked for and holds something else, and where none is left.
    """
    chosen = roles.features()
    for number in chosen:
        column = columns[number]
        if number in roles.requested - roles.times and column.holds != NUMBERS:
            raise InputError(
                f"{titles.source}: the column {column.name!r} holds {column.holds}, not numbers; "
                "choose other columns by --columns"
            )
    numeric = tuple(
        number for number in chosen if number in roles.times or columns[number].holds == NUMBERS
    )
    if not numeric and not roles.categorical:
        raise InputError(f"{titles.source}: has no column of numbers that could be a feature")
    return numeric


def _left_out(
    columns: Sequence[Column], roles: Roles, features: tuple[int, ...]
) -> tuple[str, ...]:
    """Say which columns are no features for want of numbers."""
    others = [columns[number] for number in roles.features() if number not in features]
    objects = [column.name for column in others if column.holds == OBJECTS]
    plain = [column.name for column in others if column.holds != OBJECTS]
    notes = [f"left out, because they hold no numbers: {listed(plain)}"] if plain else []
    if objects:
        notes.append(f"left out, because they hold {OBJECTS}: {listed(objects)}")
    return tuple(notes)


def _matrix(source: str, columns: Sequence[Column], memory: int) -> NDArray[Any]:
    """Return some columns as (n, d), some rows in memory at a time beside them."""
    parts = list(dict.fromkeys(column.part for column in columns if column.part is not None))
    shape = parts[0].shape[0], len(columns)
    row_types.check_row_shape(shape, source)
    dtype = np.result_type(*(column.dtype for column in columns))
    step = max(1, BLOCK_BYTES // sum(_row_bytes(part) for part in parts))
    with scratch(shape, dtype.name, memory) as x:
        for start in range(0, shape[0], step):
            read = {part: part[start : start + step] for part in parts}
            for place, column in enumerate(columns):
                assert column.part is not None
                _fill(source, column, x[start : start + step, place], read[column.part])
            release_pages(x)
    return x


def _row_bytes(part: Boxes) -> int:
    return max(1, part.dtype.itemsize * int(np.prod(part.shape[1:])))


def _fill(source: str, column: Column, out: NDArray[Any], rows: NDArray[Any]) -> None:
    """Write the values of a column; none of them is rounded."""
    values = column.of(rows)
    if values.dtype.kind in "iu" and not row_types.survive(values, out.dtype):
        raise InputError(
            f"{source}: the column {column.name!r} holds integers that {out.dtype} would round, "
            "which the rows are in for other columns' sake; leave it out by --columns"
        )
    out[:] = values


def _values(source: str, columns: Sequence[Column], number: int | None) -> NDArray[Any] | None:
    return None if number is None else _read(source, columns[number])


def _read(source: str, column: Column) -> NDArray[Any]:
    """Return a column as labels or row ids: numbers, text, or times as ISO 8601 writes them.

    Raises
    ------
    InputError
        For what is none of these.
    """
    where = f"{source}: the column {column.name!r}"
    if column.part is None or (column.holds == CATEGORIES and column.categories is None):
        raise InputError(f"{where} holds {column.holds} where numbers or text are needed")
    limits.check_memory(column.part.shape[0] * _row_bytes(column.part), where)
    values = np.ascontiguousarray(column.of(column.part[:]))
    if column.categories is not None:
        return _chosen(column.categories, values, where)
    if column.holds == TIMES:
        return values.astype(np.int64).view(f"M8[{column.unit}]").astype(str)
    if values.dtype.kind == "S":
        return _decoded(values, where)
    return row_types.as_stored(values, where)


def _decoded(values: NDArray[Any], where: str) -> NDArray[Any]:
    limits.check_text(values.dtype.itemsize, len(values), where)
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} holds bytes that are no UTF-8 ({error.reason})") from None


def _chosen(categories: NDArray[Any], codes: NDArray[Any], where: str) -> NDArray[Any]:
    """Return the category of each code; text is empty where a code is −1."""
    if codes.dtype.kind not in "iu" or not ((codes >= -1) & (codes < len(categories))).all():
        raise InputError(f"{where} has codes that name none of its categories; write it again")
    texts = np.append(categories.astype(str), "")
    limits.check_text(texts.dtype.itemsize // 4, len(codes), where)
    found: NDArray[Any] = texts[codes]
    return found


def _ids(source: str, index: Column) -> NDArray[Any] | None:
    """Return an index as row ids; None where it only counts the rows, from 0 on."""
    ids = _read(source, index)
    counts = ids.dtype.kind in "iu" and np.array_equal(ids, np.arange(len(ids)))
    return None if counts else ids
