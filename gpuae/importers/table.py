"""Tables of text (CSV and its relatives) with a header row.

Two passes: the csv module finds the cells, checks that no row is ragged and keeps the few columns
that are not features; NumPy's C parser then reads the features. Where that fails, a slow pass finds
the cell at fault.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_cells as cells
from gpuae.importers.table_cells import Table, labels, row_ids
from gpuae.importers.table_header import Header
from gpuae.storage.dataset import Dataset

EXACT_IN_FLOAT32 = 1 << 24
"""Integers up to this magnitude are kept exactly by float32."""


def load(path: Path) -> Dataset:
    """Return the features of a table as rows, its label column as y, pandas' index as row ids.

    Values are float32, or float64 where integers or magnitudes would be lost.

    Raises
    ------
    InputError
        For a missing header, ragged rows, empty cells, and text where numbers belong, with the
        line and column of the first.
    """
    table = cells.scan(path)
    header = table.header
    row_id = row_ids(table)
    y = None if header.label is None else labels(table.columns[header.label])
    others = {header.label, None if row_id is None else 0}
    features = [column for column in range(len(header.names)) if column not in others]
    if not features:
        raise InputError(f"{path}: has no column of features; give a table with numeric columns")
    return Dataset(
        _narrow(_parse(table, features)),
        str(path),
        y=y,
        feature_names=tuple(header.title(column) for column in features),
        row_id=row_id,
        source_path=path,
        notes=_notes(header, row_id),
    )


def _notes(header: Header, row_id: NDArray[Any] | None) -> tuple[str, ...]:
    """Return one sentence on each column that is not taken as a feature."""
    notes = []
    if row_id is not None:
        notes.append("the unnamed first column is taken as row_id")
    if header.label is not None:
        notes.append(f"the column {header.title(header.label)!r} is taken as the labels y")
    return tuple(notes)


def load_labels(path: Path) -> NDArray[Any]:
    """Return the labels (n,) of a table: its label column, or the only one beside the index.

    Raises
    ------
    InputError
        When it is not clear which column holds them.
    """
    table = cells.scan(path, keep_all=True)
    index = None if row_ids(table) is None else 0
    others = [column for column in table.columns if column != index]
    chosen = others[0] if len(others) == 1 else table.header.label
    if chosen is None:
        raise InputError(f"{path}: has {len(others)} columns; name the one of labels `label`")
    return labels(table.columns[chosen])


def _parse(table: Table, features: list[int]) -> NDArray[np.float64]:
    """Return the columns `features` as (n, d)."""
    try:
        values = np.loadtxt(
            io.StringIO(table.text),
            delimiter=table.header.delimiter,
            skiprows=table.header.lines,
            usecols=features,
            comments=None,
            quotechar='"',
            ndmin=2,
        )
    except ValueError:
        return _parse_slowly(table, features)
    return values if len(values) == table.count else _parse_slowly(table, features)


def _parse_slowly(table: Table, features: list[int]) -> NDArray[np.float64]:
    """Find the cell that is no number; return the values if there is none after all."""
    path = table.header.path
    values: list[list[float]] = []
    empty: list[str] = []
    for line, row in cells.rows(table.text, table.header):
        values.append([])
        for column in features:
            where = f"line {line}, column {table.header.title(column)!r}"
            if row[column].strip():
                values[-1].append(_number(path, where, row[column]))
            else:
                empty.append(where)
    if empty:
        raise InputError(
            f"{path}: {len(empty)} cells are empty, the first at {empty[0]}; fill or remove them"
        )
    return np.array(values)


def _number(path: Path, where: str, cell: str) -> float:
    try:
        if "_" not in cell:  # Python's digit grouping, which no other reader of tables knows
            return float(cell)
    except ValueError:
        pass
    raise InputError(
        f"{path}: {where}: {cell!r} is not a number; correct it, or remove the column "
        "(one column of labels may be named `label`)"
    )


def _narrow(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return `values` as float32 unless that loses large integers or overflows."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    large = np.abs(values) > EXACT_IN_FLOAT32
    lost = large & (narrow != values) & ((values == np.rint(values)) | np.isinf(narrow))
    return values if lost.any() else narrow
