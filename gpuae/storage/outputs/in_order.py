"""Blocks of rows from several threads, in the order of the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

WAITING_BYTES = 64 << 20
"""Blocks that came early are held up to this size; then their threads wait."""
PATIENCE_SECONDS = 1.0
"""At most so long: if the thread of the next block has failed, that block never comes."""


class InOrder:
    """Takes blocks (first row, rows) in any order and hands them on one after the other.

    Parameters
    ----------
    hand_on
        Called with each block by one thread at a time, rows ascending and without gaps.
    """

    def __init__(self, hand_on: Callable[[int, NDArray[Any]], None]) -> None:
        self._hand_on = hand_on
        self._early: dict[int, NDArray[Any]] = {}
        self._moved = threading.Condition()
        self.reached = 0
        """Rows that have been handed on."""

    def put(self, start: int, rows: NDArray[Any]) -> None:
        """Take the rows from `start` on, which must not change any more."""
        with self._moved:
            if start != self.reached:
                self._wait_for_room(start)
            if start != self.reached:
                self._early[start] = rows
                return
            self._pass(rows)
            while self.reached in self._early:
                self._pass(self._early.pop(self.reached))
            self._moved.notify_all()

    def _wait_for_room(self, start: int) -> None:
        """Wait while too much is held, unless these are the next rows."""

        def room() -> bool:
            held = sum(block.nbytes for block in self._early.values())
            return start == self.reached or held < WAITING_BYTES

        self._moved.wait_for(room, PATIENCE_SECONDS)

    def _pass(self, rows: NDArray[Any]) -> None:
        self._hand_on(self.reached, rows)
        self.reached += len(rows)
