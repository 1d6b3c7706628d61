"""The rows of several matrices, one matrix below another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.rows import row_types
from gpuae.storage.rows.lazy_rows import AnyRows, rows_per_chunk_of
from gpuae.storage.rows.views import read_rows


def by_part(ends: NDArray[np.int64], start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield the stretches of the rows start … stop − 1 that lie in one part each.

    Each with the number of the part, its first row, and the row after its last one; `ends` are
    the rows after the last ones of all parts.
    """
    row = start
    while row < stop:
        number = int(np.searchsorted(ends, row, side="right"))
        until = min(stop, int(ends[number]))
        yield number, row, until
        row = until


class ConcatenatedRows:
    """A `LazyRows` of the rows of several matrices (nᵢ, d), in a type that holds those of all.

    Parameters
    ----------
    parts
        At least one, each of as many columns.
    sources
        What messages call each of them.

    Raises
    ------
    InputError
        While rows are read, for integers that this type would round.
    """

    def __init__(self, parts: Sequence[AnyRows], sources: Sequence[str]) -> None:
        self._parts, self._sources = tuple(parts), tuple(sources)
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape: tuple[int, int] = (int(self._ends[-1]), parts[0].shape[1])
        self.dtype: np.dtype[Any] = np.result_type(*(part.dtype for part in parts))
        self.rows_per_chunk = max(map(rows_per_chunk_of, parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows of one part, or of several that follow one another."""
        start, stop, _ = rows.indices(len(self))
        block = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
        for number, row, until in by_part(self._ends, start, stop):
            block[row - start : until - start] = self._read(number, row, until)
        return block

    def _read(self, number: int, start: int, stop: int) -> NDArray[Any]:
        """Return the rows start … stop − 1 of all, which one part has."""
        before = int(self._ends[number]) - len(self._parts[number])
        values = read_rows(self._parts[number], slice(start - before, stop - before))
        if values.dtype.kind in "iu" and not row_types.survive(values, self.dtype):
            raise InputError(
                f"{self._sources[number]}: holds integers that {self.dtype} would round, in which "
                "the rows of other files are; save all files in one type"
            )
        return values
