"""HDF5 files are opened here: a foreign one is read by a process of its own, with limits."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from gpuae.errors import InputError
from gpuae.memory import physical_memory
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile, OpenFile
from gpuae.storage.hdf5 import filters
from gpuae.storage.hdf5.answers import Answers, PositionedFile
from gpuae.storage.hdf5.channel import Channel
from gpuae.storage.hdf5.nodes import File
from gpuae.storage.hdf5.process import ReadingProcess, questions

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
        with source.once(_Opened).reading() as file:
            yield file
    finally:
        _unlock(source)


class _Opened:
    """What one file is asked for: a process that reads it, and the answers so far."""

    def __init__(self, source: OpenFile) -> None:
        self._source = source
        self._users = 0
        self._begin()

    def _begin(self) -> None:
        """Have a new process read the file, which has been asked for nothing."""
        self._terms = _terms()
        self._process = _started(self._source)
        self._file = File(self._source.path, self._process.ask, self._source)

    @contextmanager
    def reading(self) -> Iterator[File]:
        """Let the file be answered for within the block, and for a moment after it."""
        if self._terms != _terms() or not (self._users or self._process.wake()):
            self._begin()
        file = self._file
        self._users += 1
        try:
            file.root  # noqa: B018 what cannot be opened is found out here
            yield file
        finally:
            self._users -= 1
            if not (self._users or file.is_kept):
                self._process.rest()


def _terms() -> tuple[limits.Limits, bool]:
    """Return what is allowed now to a process that reads."""
    return limits.current(), limits.filters_allowed()


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


def _started(source: OpenFile) -> ReadingProcess:
    """Return a process that reads a file."""
    if limits.filters_allowed():
        filters.load_plugin()
    descriptor, allowed = source.descriptor, limits.current()
    seconds = min(allowed.process_seconds, FEWEST_SECONDS + source.size / SLOWEST)

    def serve(channel: Channel) -> None:
        answers = Answers(lambda: h5py.File(PositionedFile(descriptor), "r", locking=False))
        questions(channel, answers, seconds)

    return ReadingProcess(descriptor, serve, min(allowed.process_bytes, physical_memory()))


def _lock(file: InputFile) -> None:
    """Share a file with other readers, waiting a little for one whose writer lets it go just now.

    Raises
    ------
    InputError
        When somebody goes on writing to it.
    """
    for _ in range(round(_WAIT_SECONDS / _NAP_SECONDS)):
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_NAP_SECONDS)
        except OSError:  # some file systems have no locks
            return
        else:
            return
    raise InputError(f"{file}: another program is writing to it; try again when that has finished")


def _unlock(file: InputFile) -> None:
    """Let others write to a file; who goes on reading notices it."""
    with suppress(OSError):
        fcntl.flock(file.descriptor, fcntl.LOCK_UN)
