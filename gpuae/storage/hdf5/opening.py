"""HDF5 files are opened here: a foreign one is read by a process of its own, with limits."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py

from gpuae.errors import InputError
from gpuae.memory import physical_memory
from gpuae.storage.files import limits, locks
from gpuae.storage.files.input_file import InputFile, OpenFile
from gpuae.storage.hdf5 import filters, reader
from gpuae.storage.hdf5.answers import Answers
from gpuae.storage.hdf5.nodes import File
from gpuae.storage.hdf5.process import ReadingProcess, RestedError, forked, spawned
from gpuae.storage.hdf5.unlimited import UnlimitedReader

LIMITS = find_spec("resource") is not None
"""Whether a process can be limited: Windows cannot, and the program itself reads there."""
FORKS = hasattr(os, "fork") and sys.platform != "darwin"
"""Whether a copy of the program reads: on macOS the system's own threads may not survive that."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SMALLEST_USER_BLOCK = 512
"""What comes before HDF5 in a file may be of this size, or of twice as much, and so on."""
VERSION_AT, FLAGS_AT, FIRST_WITH_FLAGS, OPEN_FLAGS = 8, 11, 3, 0b101
"""Places in what begins a file, and what in them says that it is open for writing."""
FEWEST_SECONDS, SLOWEST = 2, 32 << 20
"""Of computing, for one question about a small file, and bytes of a larger one for each more."""
_WAIT_SECONDS, _NAP_SECONDS = 1.0, 0.05


@contextmanager
def opened(source: InputFile) -> Iterator[File]:
    """Open an HDF5 file for reading; what is asked again soon is answered by the same process.

    Raises
    ------
    InputError
        For whatever cannot be opened as HDF5, with the reason.
    """
    begin = _signature(source)
    if begin is None:
        raise InputError(f"{source}: is not an HDF5 file; give one that is")
    _lock(source)
    try:
        _refuse_marked(source, begin)
        file = source.once(_Opened).file()
        file.root  # noqa: B018 what cannot be opened is found out here
        yield file
    finally:
        locks.unshare(source.descriptor)  # who goes on reading notices what is written


class _Opened:
    """One open file, as it is read under the limits of whoever asks."""

    def __init__(self, source: OpenFile) -> None:
        self._source = source
        self._files: dict[_Allowed, File] = {}

    def file(self) -> File:
        """Return the file with what has been answered so far under the limits that hold now."""
        allowed = _Allowed(limits.current(), limits.filters_allowed())
        if allowed not in self._files:
            answer = _Answer(self._source, allowed)
            self._files[allowed] = File(self._source.path, answer, self._source)
        return self._files[allowed]


@dataclass(frozen=True)
class _Allowed:
    """What is allowed to a process that reads."""

    limits: limits.Limits
    filters: bool


class _Answer:
    """Answers questions about a file by a process, which is followed by another when it ends."""

    def __init__(self, source: OpenFile, allowed: _Allowed) -> None:
        self._source, self._allowed = source, allowed
        self._process: ReadingProcess | UnlimitedReader | None = None

    def __call__(
        self, question: list[Any], into: memoryview | None = None
    ) -> tuple[Any, bytearray | memoryview]:
        """Return what is said and bytes; EOFError where a process could not answer."""
        try:
            return self._current().ask(question, into)
        except RestedError:
            return self._current().ask(question, into)

    def _current(self) -> ReadingProcess | UnlimitedReader:
        process = self._process
        if process is None or not process.is_there:
            process = self._process = _started(self._source, self._allowed)
        return process


def own_file(file: h5py.File) -> File:
    """Return a file that gpuae itself is writing, to be read without another process."""
    return File(Path(file.filename), Answers(lambda: file))


def is_hdf5(file: InputFile) -> bool:
    """Whether a file has the mark of HDF5 where it may be: at its beginning, or after a block."""
    return _signature(file) is not None


def _signature(file: InputFile) -> int | None:
    """Return where a file has the mark of HDF5; None where it has none."""
    place = 0
    while place < file.size:
        if file.read(place, len(SIGNATURE)) == SIGNATURE:
            return place
        place = 2 * place or SMALLEST_USER_BLOCK
    return None


def _refuse_marked(file: InputFile, begin: int) -> None:
    """Refuse a file that somebody writes to for readers, or did not close.

    Source: HDF5 File Format Specification, II.A, "File Consistency Flags".
    """
    start = file.read(begin, FLAGS_AT + 1)
    has_flags = len(start) > FLAGS_AT and start[VERSION_AT] >= FIRST_WITH_FLAGS
    if has_flags and start[FLAGS_AT] & OPEN_FLAGS:
        raise InputError(
            f"{file}: is marked as open for writing; close the program that writes to it, or if "
            f"that ended without closing it, h5clear -s {file} takes the mark away"
        )


def _started(source: OpenFile, allowed: _Allowed) -> ReadingProcess | UnlimitedReader:
    """Return what reads a file: a process, where it can be limited.

    Raises
    ------
    InputError
        When the system starts none.
    """
    with_plugins = allowed.filters and filters.load_plugin()
    if not LIMITS:
        return UnlimitedReader(source)
    seconds = min(allowed.limits.process_seconds, FEWEST_SECONDS + source.size / SLOWEST)
    memory = min(allowed.limits.process_bytes, physical_memory())
    copy = forked(source.descriptor, reader.reading(source.descriptor, seconds), memory)
    anew = spawned(source.descriptor, reader.__name__, memory, seconds, with_plugins)
    reason = ""
    for begin in (copy, anew) if FORKS else (anew,):
        try:
            return ReadingProcess(begin, allowed.limits.silent_seconds)
        except OSError as error:  # too many processes, or no memory for a copy
            reason = error.strerror or str(error)
    raise InputError(
        f"{source}: cannot be read, for no process can be started that reads it ({reason}); "
        "end other programs"
    )


def _lock(file: InputFile) -> None:
    """Share a file with other readers, waiting a little for one whose writer lets it go just now.

    Raises
    ------
    InputError
        When somebody goes on writing to it.
    """
    for _ in range(round(_WAIT_SECONDS / _NAP_SECONDS)):
        try:
            locks.share(file.descriptor)
        except BlockingIOError:
            time.sleep(_NAP_SECONDS)
        except OSError:  # some file systems have no locks
            return
        else:
            return
    raise InputError(f"{file}: another program is writing to it; try again when that has finished")
