"""Threads that do one piece of work side by side."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Self

from gpuae.errors import GpuaeError
from gpuae.storage.rows import lost_pages

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
INTERRUPTING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)

READERS = 1
"""Threads that may be needed beside a pool: one reads ahead."""


def available_cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's quota.

    No more than NUMBA_NUM_THREADS, by which joblib shares the cores among its processes.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(cores, _quota(), _asked_for())))


def _asked_for() -> float:
    """Return the threads that the environment allows."""
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else math.inf


def _quota() -> float:
    """Return the cores' worth of time that the control group grants (Linux, version 2)."""
    try:
        granted, period = CPU_MAX.read_text(encoding="ascii").split()
        return int(granted) / int(period)
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf


class ThreadPool:
    """A fixed number of threads: as many as are asked for, or fewer where the system has no more.

    Ctrl-C is heard by the thread that waits for the pool. It lets the threads finish: all they have
    been given, or up to a barrier at which they look whether to stop, which all of them do at the
    same one.
    """

    def __init__(self, size: int) -> None:
        self.size = _startable(size)
        self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="gpuae")
        self._stop_asked = False
        self._stopping = False
        self._barrier = self._new_barrier()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with _signals_held(lambda: None):
            self._executor.shutdown()

    def run(self, work: Callable[[int], None]) -> None:
        """Let every thread call work(thread) and wait for all of them.

        All threads start or none: what they do may wait for the others in a way that cannot be
        called off.

        Raises
        ------
        KeyboardInterrupt
            After the pool has come to a stop.
        InputError
            When rows that they have read turned out to be lost.
        Exception
            The first one that a thread raised.
        """
        self._stop_asked = self._stopping = False
        self._barrier = self._new_barrier()
        with _signals_held(self._ask_to_stop):
            futures = [self._work_alone(work)] if self.size == 1 else self._work_done(work)
        self._raise_first(futures)
        lost_pages.check()

    @property
    def stopping(self) -> bool:
        """Whether work without barriers should end: Ctrl-C was heard or a thread has failed."""
        return self._stop_asked or self._barrier.broken

    def barrier(self) -> bool:
        """Wait for all threads; return whether they stop here."""
        self._barrier.wait()
        return self._stopping

    def _ask_to_stop(self) -> None:
        self._stop_asked = True

    def _work_alone(self, work: Callable[[int], None]) -> Future[None]:
        """Do the work of the only thread here: to wake a thread takes longer than a small step."""
        future: Future[None] = Future()
        try:
            work(0)
        except BaseException as error:
            self._barrier.abort()
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def _work_done(self, work: Callable[[int], None]) -> list[Future[None]]:
        """Send all threads to work and wait until they have ended."""
        start = _Start()
        futures: list[Future[None]] = []
        try:
            for index in range(self.size):
                futures.append(self._executor.submit(self._do_share, start, work, index))
            start.give(go=True)
            wait(futures)
        except BaseException:
            self._ask_to_stop()
            self._wait_out(start, futures)
            raise
        return futures

    def _wait_out(self, start: _Start, futures: list[Future[None]]) -> None:
        """Send threads that have not started home and wait for the rest, whatever comes.

        Nobody may touch what they work on before they have ended, however often Ctrl-C is pressed.
        """
        while True:
            try:
                start.give(go=False)
                wait(futures)
            except KeyboardInterrupt:
                continue
            return

    def _new_barrier(self) -> threading.Barrier:
        return threading.Barrier(self.size, action=self._decide)

    def _decide(self) -> None:
        self._stopping = self._stop_asked

    def _do_share(self, start: _Start, work: Callable[[int], None], index: int) -> None:
        if not start.wait():
            return
        try:
            work(index)
        except BaseException:
            self._barrier.abort()
            raise

    def _raise_first(self, futures: list[Future[None]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        causes = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if errors:
            raise (causes or errors)[0]


def _startable(size: int) -> int:
    """Return how many threads of `size` can be started, and leave some for those who read.

    Raises
    ------
    GpuaeError
        When there are none.
    """
    end, threads = threading.Event(), []
    with suppress(RuntimeError):
        for _ in range(size + READERS):
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            threads.append(thread)
    end.set()
    for thread in threads:
        thread.join()
    if not threads:
        raise GpuaeError(
            "the system lets no thread be started: raise the limit on processes (ulimit -u, or "
            "that of the container)"
        )
    return max(1, min(size, len(threads) - READERS))


class _Start:
    """Tells all threads the same: to go, or not to. The first word counts."""

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


@contextmanager
def _signals_held(heard: Callable[[], None]) -> Iterator[None]:
    """Keep signals from interrupting the block, and deliver the first of them when it ends.

    An exception amid the locks of Python's own thread pool would leave them locked for ever.
    `heard` is called for each signal. Only the main thread is ever interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        waiting.append(number)
        heard()

    handlers = {number: signal.getsignal(number) for number in INTERRUPTING}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])
