"""Tables of pandas and PyTables in HDF5 files, read without either.

`DataFrame.to_hdf` writes a group. With `format="fixed"` the columns of each type are a matrix
`block0_values`, `block1_values` …, whose names are in `block0_items` …; `axis0` has the names of
all in their order, and `axis1` is the index. With `format="table"` the rows are records in a
dataset `table`, as PyTables writes its own tables, with the field `index` and fields for columns of
one type or for single columns. Objects are pickled in both, and pickles are not executed.
Source: pandas/io/pytables.py (version 2.3) and PyTables' "File format" (appendix of its manual).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import frame_columns
from gpuae.importers.frame_columns import CATEGORIES, NUMBERS, OBJECTS, TIMES, Column
from gpuae.importers.options import ReadOptions
from gpuae.importers.pickled_list import unpickled_list
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, listing, nodes, opening, reading
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.rows.dataset import Dataset
from gpuae.words import listed

KIND = "pandas_type"
"""The attribute that says what a group of pandas' holds."""
FIXED, TABLE = "frame", "frame_table"
RECORDS = "table"
"""The dataset of the rows in a group of the second kind."""
MOST_LEVELS = 20
"""Of the name of a column."""
MOST_BLOCKS = 1000
"""Of a frame, one for each type of column."""


def load(
    input_file: InputFile, inner: str | None, options: ReadOptions, memory: int
) -> Dataset | None:
    """Return the rows of a table of pandas' or of any records; None where there is no such table.

    Parameters
    ----------
    inner
        Where it is in the file; None where there is one only.

    Raises
    ------
    InputError
        Where there are several, for pickled names, and for columns that do not fit together.
    """
    with opening.opened(input_file) as file:
        if inner is None:
            inner = _only(file)
        item = None if inner is None else _meant(file, inner)
        if isinstance(item, nodes.Group) and reading.attribute(item, KIND) is not None:
            columns, index = _frame(item)
        elif isinstance(item, nodes.Dataset) and item.dtype.names is not None:
            columns, index = list(_fields(item)), None
        else:
            return None
        return frame_columns.dataset_of(
            input_file, file.where(item.path), columns, index, options, memory
        )


def _meant(file: nodes.File, inner: str) -> nodes.Item | None:
    """Return what is at a path, or the group of pandas' whose records are there."""
    folder, _, name = inner.strip("/").rpartition("/")
    group = file.find(folder) if name == RECORDS else None
    of_pandas = group is not None and reading.attribute(group, KIND) is not None
    return group if of_pandas else file.find(inner)


def _only(file: nodes.File) -> str | None:
    """Return where the only table of a file is; None where there is none."""
    if reading.attribute(file.root, "format") == file_format.FORMAT:
        return None
    found = list(dict.fromkeys(_tables(file)))
    if len(found) > 1:
        names = listed([file.where(path) for path in found], 20, more="and more")
        raise InputError(f"{file.path}: has several tables; give one of them: {names}")
    return found[0] if found else None


def _tables(file: nodes.File) -> Iterator[str]:
    """Yield the groups of data frames, and the tables of PyTables that are in none."""
    for dataset in listing.datasets(file, set()):
        folder, _, name = dataset.path.rpartition("/")
        group = file.find(folder)
        kind = None if group is None else str(reading.attribute(group, KIND) or "")
        if kind in (FIXED, TABLE):
            yield folder
        elif not kind and name and reading.attribute(dataset, "CLASS") == "TABLE":
            yield dataset.path


def _frame(group: nodes.Group) -> tuple[list[Column], Column | None]:
    """Return the columns and the index of a data frame."""
    kind = reading.attribute(group, KIND)
    if kind == FIXED:
        return _fixed(group)
    if kind == TABLE:
        return _table(group)
    raise InputError(
        f"{group.where}: holds what pandas calls {kind}, and only data frames are read; save it as "
        "one, such as by .to_frame() of a Series"
    )


def _fixed(group: nodes.Group) -> tuple[list[Column], Column | None]:
    if reading.attribute(group, "axis0_variety") != "regular":
        raise InputError(f"{group.where}: has columns of several levels; give them single names")
    found: dict[str, Column] = {}
    blocks = reading.attribute(group, "nblocks")
    for number in range(min(blocks, MOST_BLOCKS) if isinstance(blocks, int) else 0):
        items = _names(_dataset(group, f"block{number}_items"))
        values = _dataset(group, f"block{number}_values")
        found.update(zip(items, _block(values, items), strict=True))
    order = _names(_dataset(group, "axis0"))
    if set(order) != set(found) or len(order) != len(found):
        raise _uneven(group)
    regular = reading.attribute(group, "axis1_variety") == "regular"
    return [found[name] for name in order], _index(group) if regular else None


def _uneven(group: nodes.Group) -> InputError:
    return InputError(
        f"{group.where}: has columns of the same name, or lacks some; give each another name and "
        "write it again"
    )


def _index(group: nodes.Group) -> Column | None:
    """Return the index of a fixed data frame; None where it cannot be read."""
    dataset = _dataset(group, "axis1")
    kind = reading.attribute(dataset, "kind")
    unit = frame_columns.time_unit(kind)
    if _are_objects(dataset) or (unit is None and kind not in ("string", "integer", "float")):
        return None
    return Column("axis1", Boxes(dataset), holds=TIMES if unit else NUMBERS, unit=unit or "ns")


def _block(values: nodes.Dataset, items: list[str]) -> Iterator[Column]:
    """Yield the columns of one type."""
    if _are_objects(values):
        yield from (Column(name, None, holds=OBJECTS) for name in items)
        return
    if values.ndim != 2 or values.shape[1] != len(items):
        raise InputError(
            f"{values.where}: has shape {values.shape} where {len(items)} columns are needed; "
            "write it again"
        )
    unit = frame_columns.time_unit(reading.attribute(values, "value_type"))
    holds = TIMES if unit else frame_columns.kind_of(values.dtype)
    part = Boxes(values)
    for place, name in enumerate(items):
        yield Column(name, part, place=place, holds=holds, unit=unit or "ns")


def _table(group: nodes.Group) -> tuple[list[Column], Column | None]:
    records = _dataset(group, RECORDS)
    columns = {column.name: column for column in _fields(records, group)}
    index = columns.pop("index", None)
    order = _order(_unpickled(group, "non_index_axes"))
    if len(order) > len(columns) or set(order) - set(columns):
        raise _uneven(group)
    return [columns[name] for name in order] or list(columns.values()), index


def _order(axes: list[Any] | None) -> list[str]:
    """Return the names of the columns in what pandas says of its axes; none where it says none."""
    pair = axes[0] if axes else None
    names = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
    return (_as_names(names) or []) if isinstance(names, list) else []


def _as_names(labels: list[Any]) -> list[str] | None:
    """Return labels as names; None where some are lists of lists, of which the text may be endless.

    A label of several levels is a list.
    """
    levels = [own for own in labels if isinstance(own, list)]
    deep = any(isinstance(part, list) for own in levels for part in own)
    if deep or any(len(own) > MOST_LEVELS for own in levels):
        return None
    return [str(own) for own in labels]


def _fields(records: nodes.Dataset, group: nodes.Group | None = None) -> Iterator[Column]:
    """Yield the columns in the fields of records; of those in a group pandas says more."""
    names = records.dtype.names
    if names is None:
        raise InputError(
            f"{records.where}: has fields that point elsewhere, such as text of any length, or no "
            "fields at all; write it with text of fixed length"
        )
    guard.check_dataset(records)
    part = Boxes(records)
    for field in names:
        kind = records.dtype[field]
        titles = _titles(records, field, group, int(np.prod(kind.shape)))
        unit = frame_columns.time_unit(reading.attribute(records, f"{field}_dtype"))
        holds = TIMES if unit else frame_columns.kind_of(kind)
        categories = None
        if reading.attribute(records, f"{field}_meta") == "category":
            holds = CATEGORIES
            categories = None if group is None else _categories(group, field)
        for place, title in enumerate(titles):
            own = place if kind.shape else None
            yield Column(title, part, field, own, holds, unit or "ns", categories)


def _titles(records: nodes.Dataset, field: str, group: nodes.Group | None, count: int) -> list[str]:
    """Return the names of the columns in a field."""
    if group is not None and field.startswith("values_block_"):
        labels = _unpickled(records, f"{field}_kind")
        found = None if labels is None else _as_names(labels)
        if found is None or len(found) != count:
            raise InputError(
                f"{records.where}: keeps the names of its columns in a pickle of more than names, "
                "which is not read; write it with data_columns=True"
            )
        return found
    return [field] if count == 1 else [f"{field}_{place}" for place in range(count)]


def _categories(group: nodes.Group, field: str) -> NDArray[Any] | None:
    """Return the categories of a column; None where they cannot be read."""
    records = group.file.find(f"{group.path}/meta/{field}/meta/{RECORDS}")
    if not isinstance(records, nodes.Dataset) or "values" not in (records.dtype.names or ()):
        return None
    guard.check_dataset(records)
    values = Boxes(records)[:]["values"].reshape(len(records), -1)[:, 0]
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values


def _unpickled(owner: nodes.Item, name: str) -> list[Any] | None:
    """Return the list that a pickled attribute is; None where it is none."""
    found = owner.attribute(name)
    value = None if found is None or found.values is None else found.values.tolist()
    return unpickled_list(value) if isinstance(value, bytes) else None


def _names(dataset: nodes.Dataset) -> list[str]:
    """Return the labels on an axis as names."""
    if _are_objects(dataset):
        raise InputError(
            f"{dataset.where}: keeps names of columns as {OBJECTS}; give all columns names that "
            "are text, and write it again"
        )
    values = Boxes(dataset)[:]
    unit = frame_columns.time_unit(reading.attribute(dataset, "kind"))
    if unit is not None and values.dtype == np.int64:
        return [str(value) for value in values.view(f"M8[{unit}]")]
    texts = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
    return [str(value) for value in texts.reshape(-1).tolist()]


def _are_objects(dataset: nodes.Dataset) -> bool:
    return dataset.type.dtype is None or dataset.type.dtype.kind == "O"


def _dataset(group: nodes.Group, name: str) -> nodes.Dataset:
    """Return a guarded dataset that has to be in a group."""
    return reading.dataset_at(group.file, f"{group.path}/{name}")
