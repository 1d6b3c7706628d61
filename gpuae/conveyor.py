"""Blocks of rows on their way through a GPU: brought, worked on and fetched side by side.

Rows come through a ring of slots, ahead of the work on them. Each slot has buffers of its own, and
its work is recorded once, as a program. What comes of a block is copied to the host while the next
one is worked on, so memory stays flat and the GPU hardly waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import Array, DeviceOps, Fetched, Program, Recorder

SLOTS = 3
"""One block is brought, one worked on, and one fetched and used."""
BLOCK_BYTES = 16 << 20
FEWEST_ROWS, MOST_ROWS = 256, 1 << 16

Work: TypeAlias = Callable[[int, Array], tuple[Array, ...]]
"""Is recorded, for raw rows (m, d) on the device and the buffers with this number.

Returns what it leaves in these buffers, which no other work uses."""
Outcome: TypeAlias = tuple[int, NDArray[Any], list[NDArray[Any]]]
"""The number of a block's first row, its rows as they are, and what came of them."""


def block_rows(row_bytes: int) -> int:
    """Return how many rows make a block, if the widest buffer takes so many bytes a row.

    It is a power of two that depends on nothing else: the bits of a product may depend on it.
    """
    fitting = max(1, BLOCK_BYTES // max(1, row_bytes))
    return min(max(1 << (fitting.bit_length() - 1), FEWEST_ROWS), MOST_ROWS)


class Conveyor:
    """Carries rows (n, d) of one type through a GPU, so many in a block.

    It has to be kept until the session has ended: copies may be under way.
    """

    def __init__(
        self,
        ops: DeviceOps,
        recorder: Recorder,
        work: Work,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        slots: int,
    ) -> None:
        self._ops, self._recorder, self._work = ops, recorder, work
        self._block_rows, columns = shape
        self._slots = slots
        self._ring = ops.ring(np.empty((0, columns), dtype), self._block_rows, slots)
        self._programs: dict[tuple[int, int], tuple[Program, tuple[Array, ...]]] = {}
        self._under_way: deque[tuple[int, NDArray[Any], list[Fetched]]] = deque()

    def outcomes(self, rows: NDArray[Any]) -> Iterator[Outcome]:
        """Work on all blocks of rows (n, d) and yield what came of each, in order."""
        self._ring.start(range(len(rows)), source=rows)
        for slot, first in enumerate(range(0, len(rows), self._block_rows)):
            if len(self._under_way) == self._slots:
                yield self._arrived()
            self._send(slot, first, rows[first : first + self._block_rows])
        while self._under_way:
            yield self._arrived()

    def _send(self, slot: int, first: int, block: NDArray[Any]) -> None:
        self._ring.acquire(slot)
        program, results = self._program(slot % self._slots, len(block))
        program.replay(1)
        self._under_way.append((first, block, [self._ops.fetch(own) for own in results]))
        self._ring.release(slot)

    def _arrived(self) -> Outcome:
        first, block, fetched = self._under_way[0]
        results = [own() for own in fetched]
        self._under_way.popleft()
        return first, block, results

    def _program(self, place: int, rows: int) -> tuple[Program, tuple[Array, ...]]:
        """Return the work on so many rows in a place of the ring, and where its results are."""
        if (place, rows) not in self._programs:
            first = place * self._block_rows
            results = self._work(place, self._ring.rows[first : first + rows])
            self._programs[place, rows] = self._recorder.take(), results
        return self._programs[place, rows]
