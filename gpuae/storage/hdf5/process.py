"""A process of its own in which HDF5 reads a file, under limits that end it.

HDF5 trusts what a file says about itself: a damaged one can make it crash, run for ever or take all
memory. All of that then happens to a process whose end is one sentence to whoever gave the file.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import signal
import socket
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, TypeAlias

from h5py._objects import phil

from gpuae.storage.hdf5.channel import Channel

Serve: TypeAlias = Callable[[Channel], object]


READY, REST, WAKE = "ready", "rest", "wake"
RESTING_SECONDS = 1.0


class ReadingProcess:
    """A copy of this process that answers questions about one file.

    Parameters
    ----------
    descriptor
        Of the file, the only one that stays open in it.
    serve
        Is called there, with the channel on which questions come. It may use what is imported.
    memory
        Bytes that it may take beyond what it has when it begins.
    """

    def __init__(self, descriptor: int, serve: Serve, memory: int) -> None:
        ours, theirs = socket.socketpair()
        self._lock = Lock()
        self._channel = Channel(ours)
        with phil:  # what other threads close in HDF5 meanwhile would stay locked by the copy
            process = _fork(lambda: _answer(Channel(theirs), descriptor, serve, memory))
            self.end = weakref.finalize(self, _end, process, self._channel, os.getpid())
            theirs.close()
            with suppress(EOFError, OSError):  # it has ended, which the first question finds
                self._channel.receive()

    def rest(self) -> None:
        """Let the process end if it is not woken soon: a copy takes memory as this one changes."""
        with suppress(EOFError):
            self.ask(REST)

    def wake(self) -> bool:
        """Return whether the process is there, and keep it from ending by itself."""
        try:
            self.ask(WAKE)
        except EOFError:
            return False
        return True

    def ask(
        self, question: object, into: memoryview | None = None
    ) -> tuple[Any, bytearray | memoryview]:
        """Return the answer to a question; its raw bytes are put `into` a buffer that fits.

        Raises
        ------
        EOFError
            When the process has ended, of the question or before.
        """
        with self._lock:
            try:
                self._channel.send(question)
                return self._channel.receive(into)
            except EOFError:
                raise
            except OSError:
                raise EOFError from None
            except BaseException:  # Ctrl-C amid an answer: what follows would be taken for another
                self.end()
                raise


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


def _answer(channel: Channel, descriptor: int, serve: Serve, memory: int) -> NoReturn:
    """Answer in the copy until nobody asks any more; nothing of the program's is ever done in it.

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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        most = int(statistics.read_text().split()[0]) * resource.getpagesize() + memory
        before = (n for n in resource.getrlimit(resource.RLIMIT_AS) if n != resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_AS, (min(most, *before, most),) * 2)
    first, second = sorted((channel.fileno(), descriptor))
    os.closerange(0, first)
    os.closerange(first + 1, second)
    os.closerange(second + 1, os.sysconf("SC_OPEN_MAX"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def questions(
    channel: Channel, answer: Callable[[Any], tuple[object, Any]], seconds: float
) -> None:
    """Answer one question after the other, each within so many seconds of computing."""
    while True:
        try:
            question, _ = channel.receive()
        except EOFError:
            return
        if question in (REST, WAKE):
            signal.setitimer(signal.ITIMER_REAL, RESTING_SECONDS if question == REST else 0)
            channel.send(question)
            continue
        signal.setitimer(signal.ITIMER_PROF, seconds)
        said, raw = answer(question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        channel.send(said, raw)


def _end(process: int, channel: Channel, owner: int) -> None:
    """End the process, if it is this one's and not that of one which this is a copy of.

    Where somebody else has waited for it, as a handler of SIGCHLD may, its number can be another's.
    """
    channel.close()
    if os.getpid() == owner:
        with suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
