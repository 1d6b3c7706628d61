"""Weights on their way from training to who shows them, who asks for them first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gpuae.model.model import Model
from gpuae.training.budget import Budget
from gpuae.training.history import SoFar

SHARE = 0.01
"""Of its time that training waits for copies, at most."""


@dataclass(frozen=True)
class Seen:
    """A model as it was."""

    model: Model
    where: str
    """How far training was then."""


class Weights:
    """Has room for one copy, which is made when it was asked for and its share of time allows."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._budget = Budget(SHARE)
        self._lock = threading.Lock()
        self._seen: Seen | None = None

    def ask(self) -> None:
        """Ask for a copy, soon."""
        self._wanted.set()

    def offer(self, so_far: SoFar, where: Callable[[], str]) -> None:
        """Make a copy if there is reason to; training waits for that."""
        if self._wanted.is_set() and self._budget.free:
            began = time.perf_counter()
            self.put(Seen(so_far(), where()))
            self._budget.spend(time.perf_counter() - began)

    def put(self, seen: Seen) -> None:
        """Leave a copy there in place of the one before."""
        with self._lock:
            self._seen = seen
        self._wanted.clear()

    def take(self) -> Seen | None:
        """Return the copy that is there, if any, once."""
        with self._lock:
            seen, self._seen = self._seen, None
        return seen
