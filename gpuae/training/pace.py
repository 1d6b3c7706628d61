"""How far training is, how fast it goes, and when it will be done."""

from __future__ import annotations

import time


class Pace:
    """Counts rows and time."""

    def __init__(self) -> None:
        self.epochs = self.rows = 0
        self._began = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._done = 0

    def start(self, epochs: int, rows: int) -> None:
        """Start the clock for so many epochs of so many rows each."""
        self.epochs, self.rows = epochs, rows
        self._began, self._first, self._done = time.perf_counter(), None, 0

    def rows_done(self, epoch: int, rows: int) -> None:
        """Hear that so many rows of an epoch (from 1) are done."""
        self._done = (epoch - 1) * self.rows + rows
        if self._first is None:  # what came before includes compiling
            self._first = (time.perf_counter(), self._done)

    @property
    def rate(self) -> float:
        """Rows a second, from the second report on."""
        since, done = self._first or (self._began, 0)
        elapsed = time.perf_counter() - since
        return (self._done - done) / elapsed if elapsed > 0 and self._done > done else 0.0

    @property
    def share(self) -> float:
        """Which part of all rows of all epochs is done."""
        return self._done / max(1, self.epochs * self.rows)

    @property
    def seconds_left(self) -> float | None:
        """If all epochs are trained."""
        left = self.epochs * self.rows - self._done
        return left / self.rate if self.rate else None
