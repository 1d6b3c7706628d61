"""Rows of a file that is larger than memory, read ahead of the steps that need them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import numpy as np

from gpuae.backends.ops import Array, Program
from gpuae.storage.rows.pages import release_pages
from gpuae.training.batches import WINDOW_ROWS, Order

SLOTS = 2
"""One is worked on while the next is read; a step may need both."""
SLOT_BYTES = 64 << 20
SPARE = 0.25
"""A slot has room for a quarter more rows than are asked for."""
GAP_BYTES = 1 << 15
"""It is cheaper to read so much that is not needed than to begin anew after it."""
HELD_BYTES = 64 << 20
PAGE_BYTES = 2 << 20
"""Of a file so much may become part of the process with the first byte that is touched."""


class MappedLoader:
    """Rows that are copied from a mapped matrix, a window of the order at a time.

    With shuffle=block a window is the same rows in another order, so they are read as the blocks
    they lie in.

    Parameters
    ----------
    x
        The mapped matrix (n, d).
    batch
        Rows of the longest step.
    memory
        Bytes that may be in memory, about.
    spare
        Share of rows more than are asked for that a slot has room for.

    Attributes
    ----------
    source
        Rows that have been read, (slots · rows, d).
    places
        Where in it the row at each position of the order is, (n,).
    """

    def __init__(self, x: Any, batch: int, memory: int, *, spare: float = SPARE) -> None:
        row_bytes = max(1, x.shape[1] * x.itemsize)
        slot_bytes = min(SLOT_BYTES, memory // (2 * SLOTS))
        self._slot_rows = max(batch, min(WINDOW_ROWS, slot_bytes // row_bytes))
        self._room = self._slot_rows + int(self._slot_rows * spare)
        self._x, self._gap = x, GAP_BYTES // row_bytes
        self.source: Array = np.empty((SLOTS * self._room, x.shape[1]), x.dtype)
        self._places = np.zeros(len(x), np.int64)
        self.places: Array | None = self._places
        self._order: Order = np.zeros(0, np.int64)
        self._position = self._asked = 0
        self._reading: dict[int, Future[None]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="gpuae reader")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._reader is not None:
            self._reader.shutdown(cancel_futures=True)

    def start(self, order: Order, position: int = 0) -> None:
        """Begin with the row at this position of an order."""
        for reading in self._reading.values():
            reading.result()
        self._reading.clear()
        self._order, self._position = order, position
        self._asked = position // self._slot_rows
        self._ask()

    def replay(self, program: Program, rows: int, times: int) -> None:
        """Replay a program that takes so many rows, from where the order stands."""
        while times:
            slot = (self._position + rows - 1) // self._slot_rows
            self._await(slot)
            within = min((slot + 1) * self._slot_rows, len(self._order)) - self._position
            fitting = min(times, within // rows)
            program.replay(fitting)
            self._position += fitting * rows
            times -= fitting
            self._ask()

    def _ask(self) -> None:
        """Have the slots read that there is room for now."""
        slots = -(-len(self._order) // self._slot_rows)
        while self._asked < min(slots, self._position // self._slot_rows + SLOTS):
            if self._reader is None:
                raise RuntimeError("a loader must be entered before rows are read")
            self._reading[self._asked] = self._reader.submit(self._read, self._asked)
            self._asked += 1

    def _await(self, slot: int) -> None:
        for number in [own for own in self._reading if own <= slot]:
            self._reading.pop(number).result()

    def _read(self, slot: int) -> None:
        """Copy a slot's rows, and note where they are."""
        begin, first = slot * self._slot_rows, slot % SLOTS * self._room
        wanted = self._order[begin : begin + self._slot_rows]
        ordered = np.sort(wanted)
        starts, lengths = _runs(ordered, self._gap)
        if lengths.sum() > self._room:
            starts, lengths = _runs(ordered, 0)
        ends = np.cumsum(lengths)
        self._copy(starts.tolist(), lengths.tolist(), first)
        run = np.searchsorted(starts, wanted, side="right") - 1
        places = first + (ends - lengths)[run] + wanted - starts[run]
        self._places[begin : begin + len(wanted)] = places

    def _copy(self, starts: list[int], lengths: list[int], first: int) -> None:
        """Copy runs of rows into the source, one after the other from `first` on."""
        row_bytes, held = self._x.shape[1] * self._x.itemsize, 0
        for start, length in zip(starts, lengths, strict=True):
            self.source[first : first + length] = self._x[start : start + length]
            first += length
            held += length * row_bytes + PAGE_BYTES
            if held > HELD_BYTES:
                release_pages(self._x)
                held = 0
        release_pages(self._x)


def _runs(ordered: Order, gap: int) -> tuple[Order, Order]:
    """Return the first row and the length of runs that hold all rows of an ascending order.

    Rows that lie no more than `gap` rows apart are in one run, with those between them.
    """
    breaks = np.flatnonzero(np.diff(ordered) > gap + 1)
    starts = ordered[np.concatenate([[0], breaks + 1])]
    return starts, ordered[np.concatenate([breaks, [len(ordered) - 1]])] + 1 - starts
