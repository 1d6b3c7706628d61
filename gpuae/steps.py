"""What a long computation does now and how far it is, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, current_thread, main_thread


class Step:
    """A part of a computation that takes a while.

    Parameters
    ----------
    total
        How much there is to do; 0 where that is not known.
    unit
        What is counted, in the plural.
    done
        How much of it is done already.
    """

    def __init__(self, total: int, unit: str, done: int = 0) -> None:
        self.total, self.unit, self.done = total, unit, done
        self._lock = Lock()

    def advance(self, count: int) -> None:
        """Hear that so much more is done, from any thread."""
        with self._lock:
            self.done += count

    def reach(self, done: int) -> None:
        """Hear how much is done by now."""
        self.done = done


_current: Step | None = None


def current() -> Step | None:
    """Return what the main thread is at; None where it does not say."""
    return _current


@contextmanager
def step(total: int, unit: str, done: int = 0) -> Iterator[Step]:
    """Say that a step begins, and that it ends.

    A step within another one is a part of it, and is not told by itself. Nor are those of threads
    beside the main one.
    """
    global _current  # noqa: PLW0603 - there is one terminal to show it
    own = Step(total, unit, done)
    told = _current is None and current_thread() is main_thread()
    if told:
        _current = own
    try:
        yield own
    finally:
        if _current is own:
            _current = None
