"""Threads that do one piece of work side by side, and meet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """A fixed number of threads.

    Ctrl-C is heard by the thread that waits for the crew. It asks the crew to stop; the members
    agree on it at their next meeting, so all of them stop after the same step.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="gpuae")
        self._stop_asked = False
        self._stopping = False
        self._meeting = self._new_meeting()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown()

    def run(self, work: Callable[[int], None]) -> None:
        """Let every member call work(member) and wait for all of them.

        Nobody starts before everybody is there: what they work on may wait for the others in a way
        that nobody can call off.

        Raises
        ------
        KeyboardInterrupt
            After the crew has come to a stop.
        Exception
            The first one that a member raised.
        """
        self._stop_asked = self._stopping = False
        self._meeting = self._new_meeting()
        futures: list[Future[None]] = []
        try:
            for index in range(self.size):
                futures.append(self._executor.submit(self._member, work, index))
            wait(futures)
        except KeyboardInterrupt:
            self._stop(futures)
            raise
        self._raise_first(futures)

    @property
    def stopping(self) -> bool:
        """Whether work without meetings should end: Ctrl-C was heard or a member has failed."""
        return self._stop_asked or self._meeting.broken

    def meet(self) -> bool:
        """Wait for all members; return whether they stop here."""
        self._meeting.wait()
        return self._stopping

    def _stop(self, futures: list[Future[None]]) -> None:
        """Let the members come to their next meeting; if not all were sent, call it off.

        Nobody may touch what they work on before they have ended, however often Ctrl-C is pressed.
        """
        self._stop_asked = True
        if len(futures) < self.size:
            self._meeting.abort()
        while True:
            try:
                wait(futures)
            except KeyboardInterrupt:
                continue
            return

    def _new_meeting(self) -> threading.Barrier:
        return threading.Barrier(self.size, action=self._decide)

    def _decide(self) -> None:
        self._stopping = self._stop_asked

    def _member(self, work: Callable[[int], None], index: int) -> None:
        try:
            self._meeting.wait()
            work(index)
        except BaseException:
            self._meeting.abort()
            raise

    def _raise_first(self, futures: list[Future[None]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        causes = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if errors:
            raise (causes or errors)[0]
