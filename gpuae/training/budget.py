"""How much of the time work may take that something else has to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Gains a share of the time that passes, up to `credit` seconds, and is spent by work.

    Parameters
    ----------
    clock
        Tells the seconds that pass.
    """

    def __init__(
        self, share: float, credit: float = 0.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._share, self._credit, self._clock = share, credit, clock
        self._left, self._seen = credit, clock()

    @property
    def free(self) -> bool:
        """Whether what was spent has been gained again."""
        now = self._clock()
        self._left = min(self._credit, self._left + self._share * (now - self._seen))
        self._seen = now
        return self._left >= 0.0

    def spend(self, seconds: float) -> None:
        """Take off what some work took."""
        self._left -= seconds
