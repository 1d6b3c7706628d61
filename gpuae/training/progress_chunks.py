"""An epoch in portions: nothing is heard of a team, and it hears nothing, within one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

REPORT_SECONDS = 0.2
"""About how often rows are reported and Ctrl-C is noticed within an epoch."""


class ProgressChunks:
    """Cuts epochs into portions of steps that take about REPORT_SECONDS each, as it has learnt."""

    def __init__(self) -> None:
        self._size = 4

    def of(self, stretches: Iterable[list[int]]) -> Iterator[list[int]]:
        """Yield the steps of each stretch, portion by portion; the time each takes is noticed."""
        for steps in stretches:
            done = 0
            while done < len(steps):
                portion = steps[done : done + self._size]
                began = time.perf_counter()
                yield portion
                done += len(portion)
                took = max(time.perf_counter() - began, 1e-6)
                size = round(len(portion) * REPORT_SECONDS / took)
                self._size = max(1, min(4 * self._size, size))
