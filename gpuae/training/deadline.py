"""When training has to end, however far it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Self

from gpuae.config import Config
from gpuae.durations import seconds_of
from gpuae.training.interruption import Interrupted


class TimeOver(Interrupted):
    """Training stops here because its time is over."""


class Deadline:
    """Counts down from when it is made.

    Parameters
    ----------
    seconds
        Until the end; infinite where there is none.
    clock
        Tells the seconds that pass.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._end = clock, clock() + seconds

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return the end that settings name."""
        return cls(math.inf if config.max_time is None else seconds_of(config.max_time))

    @property
    def limited(self) -> bool:
        """Whether there is an end at all."""
        return math.isfinite(self._end)

    @property
    def left(self) -> float:
        """Seconds until the end, none below 0."""
        return max(0.0, self._end - self._clock())

    def spend(self, seconds: float) -> None:
        """Count what was spent before."""
        self._end -= seconds

    def part(self, share: float) -> Deadline:
        """Return the end of a share of the time that is left."""
        return Deadline(self.left * share, self._clock)

    def check(self) -> None:
        """End training here if the time is over.

        Raises
        ------
        TimeOver
            If so.
        """
        if self.left <= 0:
            raise TimeOver


NO_END = Deadline(math.inf)
"""Training takes as long as it takes."""
