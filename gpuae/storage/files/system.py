"""What some operating systems have and others lack, behind one function each.

Linux has all of it. macOS reserves no space ahead; Windows reads and writes at a place only through
the file's own position, and neither removes nor replaces a file that somebody has open.
"""

from __future__ import annotations

import gc
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock

REPLACES_OPEN = os.name != "nt"
"""Whether a file that is open can be replaced and removed."""
READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opens a file to read its bytes as they are, without waiting for a writer as a pipe does."""
WRITING = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
"""Opens a file to read and write its bytes as they are, but never what a link leads to."""
_WAIT_SECONDS, _NAP_SECONDS = 1.0, 0.05
_position = Lock()
"""Held while the position of a file is moved and used."""


def read_into(descriptor: int, buffer: memoryview, start: int) -> int:
    """Fill a buffer from a place in a file; return how many bytes there were, 0 at its end."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], start)
    content = read_at(descriptor, len(buffer), start)
    buffer[: len(content)] = content
    return len(content)


def read_at(descriptor: int, size: int, start: int) -> bytes:
    """Return the bytes at a place in a file, fewer than `size` where it ends."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, start)
    with _position:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, size)


def write_at(descriptor: int, content: memoryview, start: int) -> int:
    """Write bytes to a place in a file; return how many were written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, content, start)
    with _position:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.write(descriptor, content)


def reserve(descriptor: int, size: int) -> None:
    """Take `size` bytes of the disk for a file, where that can be done ahead."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def replace(name: Path, target: Path) -> None:
    """Give a file another name, whose file it replaces.

    Where open files cannot be replaced, those are closed that nothing here refers to any more, and
    other readers are waited for, though not for long.
    """
    until = time.monotonic() + (0 if REPLACES_OPEN else _WAIT_SECONDS)
    while True:
        try:
            name.replace(target)
        except PermissionError:
            if time.monotonic() >= until:
                raise
            gc.collect()
            time.sleep(_NAP_SECONDS)
        else:
            return


def remove_and_close(name: Path, descriptor: int) -> None:
    """Remove a file that is open, while it is still locked where that is possible."""
    if not REPLACES_OPEN:
        os.close(descriptor)
        name.unlink()
        return
    try:
        name.unlink()
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder last through a power cut, where the system can."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network file systems refuse this; the file is complete
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
