"""Numbers, times and categories of one table joined to rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.rows import row_types
from gpuae.storage.rows.categorical import Categorical, CategoricalColumn, places, widths
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.storage.rows.pages import release_pages

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, each as what it is."""

    source: str
    """What messages call the table."""
    rows: int
    numbers: NDArray[Any] | None
    """Of the features that are numbers in the table, (n, k); None where there are none."""
    times: dict[int, NDArray[np.float64]]
    """Seconds (n,) of the features that are times, by their place among all features."""
    codes: list[tuple[CategoricalColumn, NDArray[np.int32]]]
    """Columns of categories, and which category each row (n,) has, by number; none below 0."""

    @property
    def categorical(self) -> Categorical:
        """The columns of categories."""
        return tuple(column for column, _ in self.codes)

    def joined(self, memory: int) -> NDArray[Any]:
        """Return all columns as rows (n, d): the features in their order, then the categories.

        They are in memory if they take no more bytes than that, and else in a file without a name.

        Raises
        ------
        InputError
            Where integers would be rounded beside times.
        """
        if self.numbers is not None and not self.times and not self.codes:
            return self.numbers
        columns = self._features + sum(widths(self.categorical))
        dtype = self._type()
        with scratch((self.rows, columns), dtype.name, memory) as x:
            step = max(1, BLOCK_BYTES // (columns * dtype.itemsize))
            for start in range(0, self.rows, step):
                self._fill(x[start : start + step], slice(start, start + step))
                release_pages(x)
        return x

    @property
    def _features(self) -> int:
        return len(self.times) + (0 if self.numbers is None else self.numbers.shape[1])

    def _type(self) -> np.dtype[Any]:
        own = np.dtype(np.uint8) if self.numbers is None else self.numbers.dtype
        if not self.times:
            return own
        wide = np.dtype(np.float64)
        if self.numbers is not None and not row_types.survive(self.numbers, wide):
            raise InputError(
                f"{self.source}: holds integers that a float of 64 bits would round, which times "
                "are in; leave their column out by --columns"
            )
        return wide

    def _fill(self, out: NDArray[Any], rows: slice) -> None:
        for place, values in self.times.items():
            out[:, place] = values[rows]
        if self.numbers is not None:
            own = [place for place in range(self._features) if place not in self.times]
            out[:, own] = self.numbers[rows]
        members = places(out.shape[1], widths(self.categorical))
        for own_place, (column, codes) in zip(members, self.codes, strict=True):
            out[:, own_place] = codes[rows, None] == np.arange(len(column.values))
