"""Tables of text (CSV and its relatives): features, labels and row ids.

Two passes: the csv module finds the cells, checks that no row is ragged and keeps the few columns
that are not features; `table_numbers` then reads the features.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_cells as cells
from gpuae.importers import table_header, table_numbers
from gpuae.importers.counters import counter_notes
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.roles import Roles, assign, guess_label
from gpuae.importers.table_cells import labels, row_ids
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata


def load(file: InputFile, options: ReadOptions = AS_IT_IS) -> Dataset:
    """Return the features of a table as rows, its label column as y, its index as row ids.

    Numbers keep their value: they are float32 where each is what is written (0.1, not 2460000.6),
    else float64, and integers of 64 bits where only these are exact. Labels and ids are text unless
    every one survives as a number.

    Raises
    ------
    InputError
        Where there is no header and nobody said so; for ragged rows, columns that are not there,
        empty cells (unless values may be missing), text where numbers belong, and integers that
        would be rounded, with the line and column of the first.
    """
    options, path = options.for_text(), file.path
    text, header = cells.open_table(path, options)
    roles = assign(header.titles, options, header.index)
    index = None if header.index in {*roles.requested, roles.label, roles.row_id} else header.index
    others = (roles.label, roles.row_id, index)
    table = cells.scan(text, header, [column for column in others if column is not None])
    counted = row_ids(table) if index is not None else None
    features = roles.features(None if counted is None else index)
    if not features:
        raise InputError(f"{path}: has no column of features; give a table with numeric columns")
    row_id = counted if roles.row_id is None else labels(table.columns[roles.row_id], str(path))
    x = table_numbers.parse(table, features, options)
    names = tuple(header.title(column) for column in features)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=None if roles.label is None else labels(table.columns[roles.label], str(path)),
            feature_names=names if header.named else None,
            row_id=row_id,
        ),
        file=file,
        notes=(*header.notes, *_index_notes(roles, counted), *roles.notes, *counters),
    )


def _index_notes(roles: Roles, counted: NDArray[Any] | None) -> tuple[str, ...]:
    """Say what became of an index without a name."""
    if counted is None:
        return ()
    fate = "taken as row_id" if roles.row_id is None else "an index and left out"
    return (f"the unnamed first column is {fate}",)


def load_labels(file: InputFile, count: int) -> NDArray[Any]:
    """Return the labels of a table: its label column, or the only one beside the index.

    Parameters
    ----------
    count
        How many there have to be; it tells whether the first row is a header.

    Raises
    ------
    InputError
        When it is not clear which column holds them.
    """
    path = file.path
    text, header = cells.open_table(path, _with_header(path, count))
    if len(header.names) == 1:
        _check_lines(path, text)
    table = cells.scan(text, header, range(len(header.names)))
    index = None if row_ids(table) is None else 0
    others = [column for column in table.columns if column != index]
    chosen = others[0] if len(others) == 1 else guess_label(header.titles)
    if chosen is None:
        raise InputError(f"{path}: has {len(others)} columns; name the one of labels `label`")
    return labels(table.columns[chosen], str(path))


def _check_lines(path: Path, text: str) -> None:
    """Refuse a blank line between others where each line is a label."""
    lines = text.rstrip().splitlines()
    blank = next((number for number, line in enumerate(lines, 1) if not line.strip()), None)
    if blank is not None:
        raise InputError(
            f"{path}: line {blank} is blank where there is one label a line; give every row a label"
        )


def _with_header(path: Path, count: int) -> ReadOptions:
    """Say whether a table of `count` rows has a header, as far as the number of its rows tells."""
    bare = replace(AS_IT_IS, header=False)
    text, header = cells.open_table(path, bare)
    rows = sum(1 for _ in table_header.split(path, text, header.delimiter, header.lines))
    return {count: bare, count + 1: replace(bare, header=True)}.get(rows, AS_IT_IS)
