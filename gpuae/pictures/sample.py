"""The rows that a picture shows: all, those that were asked for, or a part drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import gathered

SEED = 0


@dataclass(frozen=True)
class Sample:
    """Some rows of a data set, in memory, with what is known about them.

    Attributes
    ----------
    x
        (m, d), in the data's own units.
    numbers
        Which rows these are, counted from 0, (m,).
    total
        How many rows there are in all.
    drawn
        Whether they were drawn at random.
    y, row_id
        Labels and ids (m,), where there are some.
    """

    x: NDArray[Any]
    numbers: NDArray[np.int64]
    total: int
    drawn: bool = False
    y: NDArray[Any] | None = None
    row_id: NDArray[Any] | None = None

    @classmethod
    def of(cls, data: Dataset, most: int, rows: NDArray[np.int64] | None = None) -> Self:
        """Take the rows with these numbers, or at most so many, drawn evenly, in their order."""
        total = len(data.x)
        drawn = rows is None and total > most
        if drawn:
            rows = np.sort(np.random.default_rng(SEED).choice(total, most, replace=False))
        elif rows is None:
            rows = np.arange(total)
        beside = (None if own is None else own[rows] for own in (data.y, data.row_id))
        return cls(_rows_of(data.x, rows), rows, total, drawn, *beside)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the choice."""
        if not self.drawn:
            return ()
        return (f"shown are {len(self.x):,} of {self.total:,} rows, drawn at random",)

    def part(self, places: NDArray[np.int64]) -> Sample:
        """Return the rows at these places of the sample, in this order."""
        beside = (None if own is None else own[places] for own in (self.y, self.row_id))
        return Sample(self.x[places], self.numbers[places], self.total, self.drawn, *beside)

    def names(self) -> tuple[str, ...]:
        """Return what to call each row: its id, or its number counted from 0; and its label."""
        own = [f"row {number}" for number in self.numbers]
        if self.row_id is not None:
            own = [str(name) for name in self.row_id]
        if self.y is None:
            return tuple(own)
        return tuple(f"{name} ({worded(label)})" for name, label in zip(own, self.y, strict=True))


def worded(label: Any) -> str:
    """Return a label as a person writes it: 346 rather than 346.0."""
    return str(label).removesuffix(".0") if isinstance(label, np.floating) else str(label)


def _rows_of(x: AnyRows, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows (m, d) of data that may have to be read a block at a time."""
    if isinstance(x, np.ndarray):
        return gathered(x, rows)
    chosen = np.empty((len(rows), x.shape[1]), x.dtype)
    for start, block in row_blocks.blocks(x):
        here = np.flatnonzero((rows >= start) & (rows < start + len(block)))
        chosen[here] = block[rows[here] - start]
    return chosen
