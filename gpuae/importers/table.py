"""Tables of text (CSV and its relatives) with a header row.

Two passes: the csv module finds the cells, checks that no row is ragged and keeps the few columns
that are not features; NumPy's C parser then reads the features. Where that fails, a slow pass finds
the cell at fault.
"""

from __future__ import annotations

import io
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_cells as cells
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.roles import Roles, assign, guess_label
from gpuae.importers.table_cells import Table, labels, row_ids
from gpuae.storage.dataset import Dataset

EXACT_IN_FLOAT32 = 1 << 24
"""Integers up to this magnitude are kept exactly by float32."""
MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""What stands for a value that is not there, where that is allowed."""


def load(path: Path, options: ReadOptions = AS_IT_IS) -> Dataset:
    """Return the features of a table as rows, its label column as y, its index as row ids.

    Values are float32, or float64 where integers or magnitudes would be lost.

    Raises
    ------
    InputError
        For a missing header, ragged rows, columns that are not there, empty cells (unless values
        may be missing), and text where numbers belong, with the line and column of the first.
    """
    text, header = cells.open_table(path)
    roles = assign(header.titles, options, header.index)
    index = None if header.index in {*roles.claimed, roles.label, roles.row_id} else header.index
    others = (roles.label, roles.row_id, index)
    table = cells.scan(text, header, [column for column in others if column is not None])
    counted = row_ids(table) if index is not None else None
    features = roles.features(None if counted is None else index)
    if not features:
        raise InputError(f"{path}: has no column of features; give a table with numeric columns")
    row_id = counted if roles.row_id is None else labels(table.columns[roles.row_id], str(path))
    return Dataset(
        _narrow(_parse(table, features, missing=options.missing)),
        str(path),
        y=None if roles.label is None else labels(table.columns[roles.label], str(path)),
        feature_names=tuple(header.title(column) for column in features),
        row_id=row_id,
        source_path=path,
        notes=(*_index_notes(roles, counted), *roles.notes),
    )


def _index_notes(roles: Roles, counted: NDArray[Any] | None) -> tuple[str, ...]:
    """Say what became of an index without a name."""
    if counted is None:
        return ()
    fate = "taken as row_id" if roles.row_id is None else "an index and left out"
    return (f"the unnamed first column is {fate}",)


def load_labels(path: Path) -> NDArray[Any]:
    """Return the labels (n,) of a table: its label column, or the only one beside the index.

    Raises
    ------
    InputError
        When it is not clear which column holds them.
    """
    text, header = cells.open_table(path)
    table = cells.scan(text, header, range(len(header.names)))
    index = None if row_ids(table) is None else 0
    others = [column for column in table.columns if column != index]
    chosen = others[0] if len(others) == 1 else guess_label(header.titles)
    if chosen is None:
        raise InputError(f"{path}: has {len(others)} columns; name the one of labels `label`")
    return labels(table.columns[chosen], str(path))


def _parse(table: Table, features: tuple[int, ...], *, missing: bool) -> NDArray[np.float64]:
    """Return the columns `features` as (n, d), NaN where values may be missing and are."""
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
        return _parse_slowly(table, features, missing=missing)
    whole = len(values) == table.count
    return values if whole else _parse_slowly(table, features, missing=missing)


def _parse_slowly(table: Table, features: tuple[int, ...], *, missing: bool) -> NDArray[np.float64]:
    """Find the cell that is no number, or fill in those that may be missing."""
    path = table.header.path
    values = np.empty((table.count, len(features)))
    absent = MISSING if missing else frozenset({""})
    empty: list[tuple[int, int]] = []
    for number, (line, row) in enumerate(cells.rows(table.text, table.header)):
        for place, column in enumerate(features):
            cell = row[column].strip()
            if cell.casefold() in absent:
                values[number, place] = np.nan
                empty.append((line, column))
            else:
                values[number, place] = _number(table, line, column, cell)
    if empty and not missing:
        line, column = empty[0]
        raise InputError(
            f"{path}: {len(empty)} cells are empty, the first at line {line}, column "
            f"{table.header.title(column)!r}; fill or remove them, or fit with missing=mean"
        )
    return values


def _number(table: Table, line: int, column: int, cell: str) -> float:
    try:
        if "_" not in cell:  # Python's digit grouping, which no other reader of tables knows
            return float(cell)
    except ValueError:
        pass
    raise InputError(
        f"{table.header.path}: line {line}, column {table.header.title(column)!r}: "
        f"{reprlib.repr(cell)} is not a number; correct it, choose other columns by --columns, or "
        "say what it is by --label-column or --id-column"
    )


def _narrow(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return `values` as float32 unless that loses large integers or overflows."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    large = np.abs(values) > EXACT_IN_FLOAT32
    lost = large & (narrow != values) & ((values == np.rint(values)) | np.isinf(narrow))
    return values if lost.any() else narrow
