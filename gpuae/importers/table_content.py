"""What has been read of a table of text: the numbers of its features, and the cells of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.growing_rows import GrowingRows
from gpuae.importers.narrow import survive_as_written
from gpuae.importers.options import ReadOptions
from gpuae.importers.table_findings import Findings, numbers_for_missing
from gpuae.importers.table_header import Header

CHECKED_AT_ONCE = 1 << 18
INTEGERS = (np.dtype(np.int64), np.dtype(np.uint64))
KNOWN_WORDS = 1 << 16
"""So many different cells are kept once, however often they come."""


class TableContent:
    """The rows of a table as they are read.

    Parameters
    ----------
    features
        Columns of numbers, in the order that they get.
    kept
        Columns whose cells are kept as they are written.
    memory
        Bytes of numbers that may be in memory.
    """

    def __init__(
        self,
        header: Header,
        features: tuple[int, ...],
        kept: Iterable[int],
        options: ReadOptions,
        memory: int,
    ) -> None:
        self.header, self.features, self.options = header, features, options
        self.cells: dict[int, list[str]] = {column: [] for column in kept}
        self.findings = Findings(header, options, numbers_for_missing(options))
        self.count = 0
        """Of rows."""
        self._numbers = GrowingRows(len(features), memory)
        self.is_narrow = True
        """Whether all numbers so far survive in 32 bits."""
        self._words: dict[str, str] = {}

    def append(self, values: NDArray[np.float64]) -> None:
        """Append the features of some rows (m, d)."""
        self._numbers.append(values)
        self.count += len(values)

    def keep(self, column: int, cells: Iterable[str]) -> None:
        """Keep the next cells of a column."""
        words = self._words
        if len(words) < KNOWN_WORDS:
            cells = [words.setdefault(cell, cell) for cell in cells]
        self.cells[column] += cells

    def look(self, values: NDArray[np.float64]) -> None:
        """See whether values that are appended survive in 32 bits."""
        for start in range(0, values.size, CHECKED_AT_ONCE):
            part = values.reshape(-1)[start : start + CHECKED_AT_ONCE]
            self.is_narrow = self.is_narrow and self._survive(part)

    def _survive(self, values: NDArray[np.float64]) -> bool:
        if not self.options.wide:
            return survive_as_written(values)
        with np.errstate(over="ignore"):
            return np.array_equal(values.astype(np.float32), values, equal_nan=True)

    def check_width(self, line: int, width: int) -> None:
        """Refuse a row of another number of cells than the first has."""
        if width != len(self.header.names):
            first = "the header" if self.header.named else "the first row"
            raise InputError(
                f"{self.header.path}: line {line} has {width} cells and {first} "
                f"{len(self.header.names)}; make all lines equally long"
            )

    def check_count(self) -> None:
        """Refuse a table without rows."""
        if not self.count:
            raise InputError(f"{self.header.path}: has a header and no rows; add at least one")

    def numbers(self) -> NDArray[Any]:
        """Return the features (n, d), NaN where values may be missing and are.

        They are float32 where every one survives that, else float64; 64-bit integers where these
        are exact and floats are not.

        Raises
        ------
        InputError
            For text, for missing values where there may be none, and for integers that would be
            rounded, with the line and column of the first.
        """
        self.findings.refuse()
        if self.findings.rounded:
            return self._integers()
        if not self.is_narrow:
            return self._numbers.finished()
        with np.errstate(over="ignore"):
            return self._numbers.finished_as(np.dtype(np.float32), lambda _, v: v.astype("f4"))

    def _integers(self) -> NDArray[Any]:
        """Return features that are all integers in a type of 64 bits that holds them."""
        large = self.findings.large
        dtype = next((own for own in INTEGERS if large.fit(own)), None)
        if dtype is None:
            raise self._refusal()

        def convert(start: int, values: NDArray[np.float64]) -> NDArray[Any]:
            if dtype.kind == "u" and (values < 0).any():
                raise self._refusal()
            return large.among(start, values, dtype)

        return self._numbers.finished_as(dtype, convert)

    def _refusal(self) -> InputError:
        return InputError(f"{self.header.path}: {self.findings.of_rounded()}")
