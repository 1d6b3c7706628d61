"""Another process, in which HDF5 reads a file under limits that end it.

HDF5 trusts what a file says about itself: a damaged one can make it crash, run for ever or take all
memory. All of that then happens to a process whose end is one sentence to whoever gave the file.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, TypeAlias

from h5py._objects import phil

from gpuae.storage.hdf5.channel import Channel

Serve: TypeAlias = Callable[[Channel], object]
"""What such a process does with its end of the connection."""
Begin: TypeAlias = Callable[[socket.socket], Callable[[], object]]
"""Starts a process with its end of the connection, and returns what ends it."""

READY, RESTED = "ready", "rested"
RESTING_SECONDS = 3.0
"""Without a question, after which the process ends: a copy takes memory as the program changes."""


class RestedError(EOFError):
    """The process had ended because it was not asked for long; another one may be started."""


class ReadingProcess:
    """Another process, which answers questions about one file.

    Parameters
    ----------
    begin
        Starts it: see `forked` and `spawned`.
    silent_seconds
        How long an answer may be waited for.
    """

    def __init__(self, begin: Begin, silent_seconds: float) -> None:
        ours, theirs = socket.socketpair()
        self._lock = Lock()
        self._channel = Channel(ours, silent_seconds)
        self._owner = os.getpid()
        try:
            with phil:  # what other threads close in HDF5 meanwhile would stay locked by the copy
                end = begin(theirs)
                self.end = weakref.finalize(self, _end, end, self._channel, self._owner)
                theirs.close()
                with suppress(EOFError, OSError):  # it has ended, which the first question finds
                    self._channel.receive()
        except BaseException:
            self._channel.close()
            theirs.close()
            raise

    @property
    def is_there(self) -> bool:
        """Whether it can be asked: it has not been ended, and this program started it."""
        return self.end.alive and os.getpid() == self._owner

    def ask(
        self, question: object, into: memoryview | None = None
    ) -> tuple[Any, bytearray | memoryview]:
        """Return the answer to a question; its raw bytes are put `into` a buffer that fits.

        Raises
        ------
        RestedError
            When the process ended because nobody asked.
        EOFError
            When it ended for another reason, or says nothing for too long.
        """
        with self._lock:
            try:
                with suppress(OSError):  # if it has ended, what it said last can still be received
                    self._channel.send(question)
                answer = self._channel.receive(into)
            except (EOFError, OSError, MemoryError):
                self.end()
                raise EOFError from None
            except BaseException:  # Ctrl-C amid an answer: what follows would be taken for another
                self.end()
                raise
            if answer[0] == RESTED:
                self.end()
                raise RestedError
            return answer


def forked(descriptor: int, serve: Serve, memory: int) -> Begin:
    """Return what starts a copy of this process, which uses what is imported already.

    Parameters
    ----------
    descriptor
        Of the file, the only one that stays open in the copy.
    memory
        Bytes that it may take beyond what it has when it begins.
    """

    def begin(connection: socket.socket) -> Callable[[], object]:
        channel = Channel(connection, RESTING_SECONDS)
        return partial(_kill, _fork(lambda: answer(channel, descriptor, serve, memory)))

    return begin


def spawned(descriptor: int, module: str, *given: object) -> Begin:
    """Return what starts Python anew with a module, where a copy of this process is not wise.

    Parameters
    ----------
    descriptor
        Of the file, which is the standard input of the new process; the connection is its standard
        output.
    given
        What JSON can hold, for the module to know.
    """

    def begin(connection: socket.socket) -> Callable[[], object]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, json.dumps(given)],
            stdin=descriptor,
            stdout=connection.fileno(),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            process_group=0,  # whoever asks decides what Ctrl-C does
        )
        return partial(_kill_spawned, process)

    return begin


def _fork(begin: Callable[[], NoReturn]) -> int:
    """Return the number of a copy of this process that does nothing but `begin`.

    No signal is taken by the copy before it has said what it does about them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the copy has no threads, which it needs not
            process = os.fork()
        if process == 0:
            begin()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def answer(channel: Channel, descriptor: int, serve: Serve, memory: int) -> NoReturn:
    """Serve until nobody asks any more; nothing of the program's is ever done in this process.

    Memory is not collected, for that would end what the program has begun, such as its outputs.
    """
    try:
        gc.disable()
        faulthandler.disable()
        _default_signals()
        _limit(channel, descriptor, memory)
        channel.send(READY)
        serve(channel)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _default_signals() -> None:
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides what Ctrl-C does
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _limit(channel: Channel, descriptor: int, memory: int) -> None:
    """Close all files but the two that are needed, for good, and bound the memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        most = int(statistics.read_text().split()[0]) * resource.getpagesize() + memory
        before = (n for n in resource.getrlimit(resource.RLIMIT_AS) if n != resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_AS, (min(most, *before, most),) * 2)
    _close_all_but(channel.fileno(), descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _close_all_but(*needed: int) -> None:
    start = 0
    for number in sorted(needed):
        if start < number:  # CPython takes an empty range from 0 on for all numbers
            os.closerange(start, number)
        start = number + 1
    os.closerange(start, _beyond_open())


def _beyond_open() -> int:
    """Return a number that no open file reaches: the highest that there may be can be a billion."""
    try:
        return max(int(name.name) for name in Path("/dev/fd").iterdir()) + 1
    except OSError:
        return os.sysconf("SC_OPEN_MAX")


def questions(channel: Channel, reply: Callable[[Any], tuple[object, Any]], seconds: float) -> None:
    """Answer one question after the other, each within so many seconds of computing."""
    while True:
        try:
            question, _ = channel.receive()
        except EOFError:
            return
        except BlockingIOError:
            channel.send(RESTED)
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)
        said, raw = reply(question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        channel.send(said, raw)


def _end(end: Callable[[], object], channel: Channel, owner: int) -> None:
    """End the process, if it is this one's and not that of one which this is a copy of."""
    channel.close()
    if os.getpid() == owner:
        end()


def _kill(process: int) -> None:
    """End a copy and take note of it, unless somebody has, as a handler of SIGCHLD may.

    Its number can be another's then.
    """
    with suppress(ProcessLookupError, ChildProcessError):
        if os.waitpid(process, os.WNOHANG) == (0, 0):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _kill_spawned(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
