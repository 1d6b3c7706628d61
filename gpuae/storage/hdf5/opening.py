"""HDF5 files are opened here: a foreign one is read by a process of its own, with limits."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from gpuae.errors import InputError
from gpuae.storage.hdf5.answers import Answers, PositionedFile
from gpuae.storage.hdf5.channel import Channel
from gpuae.storage.hdf5.nodes import File
from gpuae.storage.hdf5.process import ReadingProcess, questions
from gpuae.storage.files.input_file import check_readable

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FIRST_USER_BLOCK = 512
"""What comes before HDF5 in a file may be of this size, or of twice as much, and so on."""
MEMORY_BYTES = 1 << 30
"""That HDF5 may take to read a file."""
_WAIT_SECONDS, _NAP_SECONDS = 1.0, 0.05


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    InputError
        For whatever cannot be opened as HDF5, with the reason.
    """
    check_readable(path)
    with ExitStack() as stack:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, descriptor)
        if not is_hdf5(descriptor):
            raise InputError(f"{path}: is not an HDF5 file; give one that is")
        _lock(descriptor, path)
        process = ReadingProcess(descriptor, lambda c: _serve(c, descriptor), MEMORY_BYTES)
        stack.callback(process.end)
        file = File(path, process.ask, descriptor)
        file.root  # noqa: B018 what cannot be opened is found out here
        yield file


def own_file(file: h5py.File) -> File:
    """Return a file that gpuae itself is writing, to be read without another process."""
    return File(Path(file.filename), Answers(lambda: file))


def is_hdf5(descriptor: int) -> bool:
    """Whether a file has the mark of HDF5 where it may be."""
    size, place = os.fstat(descriptor).st_size, 0
    while place < size:
        if os.pread(descriptor, len(SIGNATURE), place) == SIGNATURE:
            return True
        place = 2 * place or FIRST_USER_BLOCK
    return False


def _serve(channel: Channel, descriptor: int) -> None:
    questions(channel, Answers(lambda: h5py.File(PositionedFile(descriptor), "r", locking=False)))


def _lock(descriptor: int, path: Path) -> None:
    """Share a file with other readers, waiting a little for one whose writer lets it go just now.

    Raises
    ------
    InputError
        When somebody goes on writing to it.
    """
    for _ in range(round(_WAIT_SECONDS / _NAP_SECONDS)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_NAP_SECONDS)
        except OSError:  # some file systems have no locks
            return
        else:
            return
    raise InputError(f"{path}: another program is writing to it; try again when that has finished")
