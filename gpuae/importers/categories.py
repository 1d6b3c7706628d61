"""The categories in the cells of a column: which there are, and which one each cell holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.options import ReadOptions
from gpuae.printable import printable
from gpuae.storage.rows.categorical import MISSING_VALUE, CategoricalColumn, check_count
from gpuae.words import counted

UNKNOWN = -1
"""Stands for a value that is none of the categories."""


def categories(
    cells: Sequence[str], name: str, source: str, options: ReadOptions
) -> tuple[CategoricalColumn, NDArray[np.int32]]:
    """Return a column of categories and which of them each cell (n,) holds, by number.

    They are those that the options know under this name, or else all that the cells hold. Blanks
    around a value do not count.

    Raises
    ------
    InputError
        For too many categories, for empty cells unless values may be missing, and for values that
        are not among known categories unless these are to be ignored.
    """
    words = list(_words(cells, options))
    known = next((column for column in options.known if column.name == name), None)
    column = _learnt(words, name, source, options) if known is None else known
    numbers = {value: number for number, value in enumerate(column.values)}
    found = (numbers.get(word, UNKNOWN) for word in words)
    codes = np.fromiter(found, np.int32, len(words))
    if not options.ignores_unknown and (codes == UNKNOWN).any():
        row = int(np.argmax(codes == UNKNOWN))
        raise unknown_value(source, row, column.name, words[row], options)
    return column, codes


def _words(cells: Sequence[str], options: ReadOptions) -> Iterator[str]:
    """Yield what cells hold, with one word for all that are missing."""
    missing = {*options.na_values, MISSING_VALUE}
    stripped = (cell.strip() for cell in cells)
    return (MISSING_VALUE if cell in missing else cell for cell in stripped)


def _learnt(
    words: Sequence[str], name: str, source: str, options: ReadOptions
) -> CategoricalColumn:
    """Return a column of all values that are there."""
    values = set(words)
    check_count(len(values), name, source)
    if MISSING_VALUE in values and not options.missing:
        row = words.index(MISSING_VALUE) + 1
        empty = counted(words.count(MISSING_VALUE), "cell")
        raise InputError(
            f"{source}: {empty} of the column {name!r} hold no category, the first in row {row}; "
            "fill them, or fit with missing=mean (convert with --missing keep), where that is a "
            "category of its own"
        )
    return CategoricalColumn(name, tuple(sorted(values)))


def unknown_value(source: str, row: int, name: str, value: str, options: ReadOptions) -> InputError:
    """Return the error of a row, counted from 0, whose category training has not seen."""
    what = f"holds {printable(value)!r}" if value else "is empty"
    or_ignore = ", or give --unknown ignore" if options.names_of else ""
    return InputError(
        f"{source}: row {row + 1}, column {name!r} {what}, which is none of the categories that "
        f"training has seen; correct it{or_ignore}"
    )
