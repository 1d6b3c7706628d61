"""The rows of a table of text read by Python alone, which small tables are.

To load the compiler, or what it has compiled before, takes longer than to read some megabytes so.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from itertools import accumulate, islice

import numpy as np
from numpy.typing import NDArray

from gpuae.importers import table_header
from gpuae.importers.numerals import EXACT_INTEGER, SWAPPED, is_integer
from gpuae.importers.table_content import TableContent

CELLS_AT_ONCE = 1 << 16
_SEPARATOR = "\x1f"
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_INTEGERS = re.compile(rf"[+\-0-9{_SEPARATOR} ]*")
Row = tuple[int, list[str]]
"""Its line and its cells."""


def read_lines(lines: Iterable[str], before: int, content: TableContent) -> None:
    """Read the rows in some lines, before which there are others.

    Raises
    ------
    InputError
        Where quotes are wrong, or a row has another number of cells than the first.
    """
    reader = csv.reader(lines, delimiter=content.header.delimiter)
    at_once = max(1, CELLS_AT_ONCE // len(content.header.names))
    while True:
        start, rows, problem = reader.line_num, list[list[str]](), None
        try:
            rows.extend(islice(reader, at_once))
        except csv.Error as error:  # the rows before it are there
            problem = error
        numbers = _lines(rows, start, reader.line_num)
        _append(
            [(before + line, row) for line, row in zip(numbers, rows, strict=True) if row], content
        )
        if problem is not None:
            raise table_header.not_split(content.header.path, before + reader.line_num, problem)
        if not rows:
            return


def _lines(rows: list[list[str]], start: int, stop: int) -> Iterable[int]:
    """Return in which line each row ends: cells hold line breaks, and empty lines are rows here."""
    if stop - start == len(rows):
        return range(start + 1, stop + 1)
    breaks = (sum(len(_LINE_BREAK.findall(cell)) for cell in row) for row in rows)
    return [min(start + line, stop) for line in accumulate(1 + own for own in breaks)]


def _append(rows: list[Row], content: TableContent) -> None:
    if set(map(len, (row for _, row in rows))) - {len(content.header.names)}:
        for line, own in rows:
            content.check_width(line, len(own))
    for column in content.cells:
        content.keep(column, [row[column] for _, row in rows])
    cells = [row[column] for _, row in rows for column in content.features]
    values = _at_once(cells, content.options.decimal)
    if values is None:
        values, odd = np.empty(len(cells)), np.arange(len(cells))
    else:
        odd = np.flatnonzero(_is_odd(values, content.findings.missing_numbers))
    start = content.count * len(content.features)
    for place in odd.tolist():
        row, feature = divmod(place, len(content.features))
        line, column = rows[row][0], content.features[feature]
        cell = cells[place].strip()
        values[place] = content.findings.number(cell, line, column, start + place)
    if not content.findings.fraction:
        content.findings.fraction = _has_fraction(cells, values, odd)
    content.look(values)
    content.append(values.reshape(len(rows), len(content.features)))


def _at_once(cells: list[str], decimal: str | None) -> NDArray[np.float64] | None:
    """Return the numbers in some cells; None where one may hold something else."""
    if "_" in "".join(cells):
        return None
    if decimal == ",":
        cells = [cell.translate(SWAPPED) for cell in cells]
    try:
        return np.array(list(map(float, cells)), np.float64)
    except ValueError:
        return None


def _is_odd(values: NDArray[np.float64], missing: frozenset[float]) -> NDArray[np.bool_]:
    """Tell which values need a look at their cells: NaN, too large to be exact, or for missing."""
    odd = ~(np.abs(values) <= EXACT_INTEGER)
    return odd | np.isin(values, list(missing)) if missing else odd


def _has_fraction(cells: list[str], values: NDArray[np.float64], odd: NDArray[np.int64]) -> bool:
    """Whether a number is not written as an integer, beside those that have been looked at."""
    plain = np.delete(values, odd)
    if (plain != np.rint(plain)).any():
        return True
    if _INTEGERS.fullmatch(_SEPARATOR.join(cells)):
        return False
    seen = set(odd.tolist())
    others = (cell for place, cell in enumerate(cells) if place not in seen)
    return any(not is_integer(cell.strip()) for cell in others)
