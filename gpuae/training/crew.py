"""Threads that do one piece of work side by side, and meet."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Self

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's quota."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(cores, _quota())))


def _quota() -> float:
    """Return the cores' worth of time that the control group grants (Linux, version 2)."""
    try:
        granted, period = CPU_MAX.read_text(encoding="ascii").split()
        return int(granted) / int(period)
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf


class Crew:
    """A fixed number of threads.

    Ctrl-C is heard by the thread that waits for the crew. It lets the members finish: all they have
    been given, or up to a meeting at which they look whether to stop, which all of them do at the
    same one.
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

        All members start or none: what they do may wait for the others in a way that cannot be
        called off.

        Raises
        ------
        KeyboardInterrupt
            After the crew has come to a stop.
        Exception
            The first one that a member raised.
        """
        self._stop_asked = self._stopping = False
        self._meeting = self._new_meeting()
        start = _Start()
        futures: list[Future[None]] = []
        try:
            for index in range(self.size):
                futures.append(self._executor.submit(self._member, start, work, index))
            start.give(go=True)
            wait(futures)
        except BaseException:
            self._stop_asked = True
            self._wait_out(start, futures)
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

    def _wait_out(self, start: _Start, futures: list[Future[None]]) -> None:
        """Send members that have not started home and wait for the rest, whatever comes.

        Nobody may touch what they work on before they have ended, however often Ctrl-C is pressed.
        """
        while True:
            try:
                start.give(go=False)
                wait(futures)
            except KeyboardInterrupt:
                continue
            return

    def _new_meeting(self) -> threading.Barrier:
        return threading.Barrier(self.size, action=self._decide)

    def _decide(self) -> None:
        self._stopping = self._stop_asked

    def _member(self, start: _Start, work: Callable[[int], None], index: int) -> None:
        if not start.wait():
            return
        try:
            work(index)
        except BaseException:
            self._meeting.abort()
            raise

    def _raise_first(self, futures: list[Future[None]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        causes = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if errors:
            raise (causes or errors)[0]


class _Start:
    """Tells all members the same: to go, or not to. The first word counts."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._words: list[bool] = []

    def give(self, *, go: bool) -> None:
        """Say it."""
        self._words.append(go)
        self._given.set()

    def wait(self) -> bool:
        """Wait for it and return whether to go."""
        self._given.wait()
        return self._words[0]
