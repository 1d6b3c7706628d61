"""Tables of text (CSV and its relatives): features, labels and row ids.

One pass over blocks of the file: those of a large table are read by compiled code, on several
threads, a small one by Python alone. What becomes of a cell is the same either way.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import table_header, table_text
from gpuae.importers.categories import categories
from gpuae.importers.compressed import Blocks
from gpuae.importers.counters import counter_notes
from gpuae.importers.joined_rows import TableColumns
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.roles import Roles, guess_label
from gpuae.importers.table_content import TableContent
from gpuae.importers.table_header import Header
from gpuae.importers.table_labels import labels, numbers, row_ids
from gpuae.importers.table_reading import read
from gpuae.importers.table_rows import read_lines
from gpuae.importers.times import seconds
from gpuae.memory import data_memory
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows.categorical import member_names
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.pages import release_pages

WEIGHT_NAME = "weight"
"""Of the column of weights in a table of its own, where it has several."""


def load(file: Blocks, options: ReadOptions = AS_IT_IS, memory: int | None = None) -> Dataset:
    """Return the features of a table as rows, its label column as y, its index as row ids.

    Numbers keep their value: they are float32 where each is what is written (0.1, not 2460000.6),
    else float64, and integers of 64 bits where only these are exact. Labels and ids are text unless
    every one survives as a number.

    Parameters
    ----------
    memory
        Bytes of numbers that may be in memory; more are in a file without a name, which is mapped.
        None for as many as suit this machine.

    Raises
    ------
    InputError
        Where there is no header and nobody said so; for ragged rows, columns that are not there,
        empty cells (unless values may be missing), text where numbers belong, and integers that
        would be rounded, with the line and column of the first.
    """
    path = file.path
    most = data_memory(None) if memory is None else memory
    options = options.for_text()
    header, roles, content, counted, features = read(file, options, most)
    if not features and not roles.categorical:
        raise InputError(f"{path}: has no column of features; give a table with numeric columns")
    row_id = counted if roles.row_id is None else labels(content.cells[roles.row_id], str(path))
    weights = None
    if roles.weight is not None:
        weights = numbers(content.cells[roles.weight], str(path), options.decimal)
    table = _columns_of(path, header, roles, content, features, options)
    x = table.joined(most)
    names = tuple(header.title(column) for column in features)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    release_pages(x)
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=None if roles.label is None else labels(content.cells[roles.label], str(path)),
            feature_names=(*names, *member_names(table.categorical)) if header.named else None,
            row_id=row_id,
            categorical=table.categorical,
        ),
        file=file if isinstance(file, InputFile) else None,
        notes=(*header.notes, *_index_notes(roles, counted), *roles.notes, *counters),
        weights=weights,
    )


def _columns_of(
    path: Path,
    header: Header,
    roles: Roles,
    content: TableContent,
    features: tuple[int, ...],
    options: ReadOptions,
) -> TableColumns:
    """Return what has been read, each column as what it is."""
    cells, source = content.cells, str(path)
    if roles.times:  # which need float64: numbers beside them are then what is written
        content.is_narrow = False
    numbers = content.numbers() if content.features else None
    times = {
        place: seconds(cells.pop(column), header.title(column), source, options)
        for place, column in enumerate(features)
        if column in roles.times
    }
    codes = [
        categories(cells[column], header.key(column), source, options)
        for column in roles.categorical
    ]
    return TableColumns(source, content.count, numbers, times, codes)


def _index_notes(roles: Roles, counted: NDArray[Any] | None) -> tuple[str, ...]:
    """Say what became of an index without a name."""
    if counted is None:
        return ()
    fate = "taken as row_id" if roles.row_id is None else "an index and left out"
    return (f"the unnamed first column is {fate}",)


def load_labels(file: Blocks, count: int, options: ReadOptions = AS_IT_IS) -> NDArray[Any]:
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
    header, cells, others = _beside_index(file, count, options)
    chosen = others[0] if len(others) == 1 else guess_label(header.titles)
    if chosen is None:
        raise InputError(f"{file.path}: has {len(others)} columns; name the one of labels `label`")
    return labels(cells[chosen], str(file.path))


def load_weights(file: Blocks, count: int, options: ReadOptions = AS_IT_IS) -> NDArray[np.float64]:
    """Return the weights of a table: its column `weight`, or the only one beside the index.

    Parameters
    ----------
    count
        How many there have to be; it tells whether the first row is a header.

    Raises
    ------
    InputError
        When it is not clear which column holds them, or one is no number.
    """
    header, cells, others = _beside_index(file, count, options)
    if len(others) > 1:
        others = header.titles.places.get(WEIGHT_NAME, []) if header.named else []
    if len(others) != 1:
        raise InputError(
            f"{file.path}: has {len(cells)} columns; name the one of weights `{WEIGHT_NAME}`"
        )
    return numbers(cells[others[0]], str(file.path), options.decimal)


def _beside_index(
    file: Blocks, count: int, options: ReadOptions
) -> tuple[Header, list[list[str]], list[int]]:
    """Return the header and all cells of a table, by columns, and which are no index."""
    path, text = file.path, table_text.read(file)
    header = table_header.parse(path, text, _with_header(path, text, count, options))
    if len(header.names) == 1:
        _check_lines(path, text)
    cells = _columns(text, header)
    index = None if header.index is None or row_ids(cells[0], str(path)) is None else 0
    return header, cells, [column for column in range(len(cells)) if column != index]


def _columns(text: str, header: Header) -> list[list[str]]:
    """Return all cells of a table, by columns."""
    content = TableContent(header, (), range(len(header.names)), AS_IT_IS, 0)
    read_lines(header.lines_of(text), header.lines, content)
    content.check_count()
    return list(content.cells.values())


def _check_lines(path: Path, text: str) -> None:
    """Refuse a blank line between others where each line is a value."""
    lines = text.rstrip().splitlines()
    blank = next((number for number, line in enumerate(lines, 1) if not line.strip()), None)
    if blank is not None:
        raise InputError(
            f"{path}: line {blank} is blank where there is one label a line; give every row a label"
        )


def _with_header(path: Path, text: str, count: int, options: ReadOptions) -> ReadOptions:
    """Say whether a table of `count` rows has a header, as far as the number of its rows tells."""
    bare = replace(options, header=False)
    header = table_header.parse(path, text, bare)
    lines = header.lines_of(text)
    rows = sum(1 for _ in table_header.rows(path, lines, header.delimiter, header.lines))
    return {count: bare, count + 1: replace(bare, header=True)}.get(rows, options)
