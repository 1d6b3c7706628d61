"""Files as they are given, each opened once: what they begin with, how they change, their hash."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from gpuae.errors import InputError
from gpuae.steps import step
from gpuae.storage.files import system

Version: TypeAlias = tuple[int, ...]
"""What changes when somebody writes to a file or puts another one in its place."""
Made = TypeVar("Made")

BLOCK_BYTES = 4 << 20
"""A thread that reads may wait between two blocks for others to let the interpreter go."""
DIGEST_BYTES = 32
"""Of a SHA-256."""
STREAM_BYTES = 64 << 10
HEAD_BYTES = 4096


class OpenFile:
    """A plain file that is open for reading.

    Attributes
    ----------
    descriptor
        For reading at places, and for maps; its own position belongs to nobody. It is closed
        when nothing refers to the file any more.
    size
        In bytes.
    version
        Of the file as it was when it was opened.
    """

    def __init__(self, path: Path, handle: _Handle) -> None:
        self.path, self._handle = path, handle
        self.descriptor = handle.descriptor
        status = os.fstat(self.descriptor)
        self.size, self.version = status.st_size, version_of(status)

    def __str__(self) -> str:
        return str(self.path)

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes from `start` on, fewer than `size` where the file ends.

        Raises
        ------
        InputError
            When they cannot be read.
        """
        try:
            return system.read_at(self.descriptor, size, start)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be read ({error.strerror}); copy it again"
            ) from None

    def stream(self) -> io.BufferedReader:
        """Return the content as a file of Python's with a position of its own."""
        return io.BufferedReader(_Stream(self), STREAM_BYTES)


class _Handle:
    """An open descriptor, which is closed with this."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


class InputFile(OpenFile):
    """A file that something is made from: whoever needs its content or its hash asks this.

    Parameters
    ----------
    path
        Of a plain file.
    descriptor
        Of the file, where it is open already; it belongs to this then.

    Raises
    ------
    InputError
        When it is missing, a folder, empty, no plain file, or not ours to read.
    """

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        super().__init__(path, _Handle(_opened(path) if descriptor is None else descriptor))
        self._sha256: str | None = None
        self._made: dict[Callable[[OpenFile], Any], Any] = {}
        if self.size == 0:
            raise InputError(f"{path}: is empty; make it again")

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return self.path.name

    @cached_property
    def head(self) -> bytes:
        """The first bytes, up to 4096 of them."""
        return self.read(0, HEAD_BYTES)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in order, some megabytes at a time; its hash is known afterwards."""
        digest = hashlib.sha256()
        start = 0
        with step(self.size, "bytes") as told:
            while block := self.read(start, BLOCK_BYTES):
                digest.update(block)
                start += len(block)
                yield block
                told.reach(start)
        self._sha256 = self._sha256 or digest.hexdigest()

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        if self._sha256 is None:  # Python 3.11 computes cached properties one after the other
            for _ in self.blocks():
                pass
        return str(self._sha256)

    def once(self, make: Callable[[OpenFile], Made]) -> Made:
        """Return what a function makes of the open file, which it is called for once.

        What it makes may outlive this, and keeps the descriptor open then.
        """
        if make not in self._made:
            self._made[make] = make(OpenFile(self.path, self._handle))
        made: Made = self._made[make]
        return made

    @property
    def changed(self) -> Path | None:
        """The path, where it leads to another file now or somebody has written to this one."""
        return None if self.version == version_at(self.path) else self.path


class _Stream(io.RawIOBase):
    """The content of a file, read at a position that nobody else moves."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.descriptor

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = system.read_into(self._file.descriptor, buffer, self._position)
        self._position += count
        return count


class Input(Protocol):
    """What something is made from: a file, or files that are used as one."""

    @property
    def path(self) -> Path:
        """Of the file, or of the folder that the files are in."""
        ...

    @property
    def name(self) -> str:
        """Of it, without what it lies in."""
        ...

    @property
    def size(self) -> int:
        """Of the content, in bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        ...

    @property
    def changed(self) -> Path | None:
        """Which file is not what it was when it was opened; None where all are."""
        ...


def check_unchanged(*inputs: Input | None) -> None:
    """Refuse to go on with what was read from files that have changed.

    Parameters
    ----------
    inputs
        None stands for data that are in no file.

    Raises
    ------
    InputError
        Naming the first that has.
    """
    path = first_changed(*inputs)
    if path is not None:
        raise InputError(
            f"{path}: has changed while it was read; try again when nobody writes to it, or "
            "with a copy"
        )


def first_changed(*inputs: Input | None) -> Path | None:
    """Return the first file that is not what it was when it was opened; None where all are."""
    found = (own.changed for own in inputs if own is not None)
    return next((path for path in found if path is not None), None)


def check_plain(path: Path) -> int:
    """Return the size in bytes of a file that can be read, 0 for one that holds nothing.

    Raises
    ------
    InputError
        When it is missing, a folder, no plain file, or not ours to read.
    """
    descriptor = _opened(path)
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def check_readable(path: Path) -> int:
    """Return the size in bytes of a file that can be read and holds something.

    Raises
    ------
    InputError
        As `check_plain` does, and when it is empty.
    """
    size = check_plain(path)
    if size == 0:
        raise InputError(f"{path}: is empty; make it again")
    return size


def _opened(path: Path) -> int:
    """Open a plain file, without waiting for a writer, which a named pipe would do for ever."""
    try:
        descriptor = os.open(path, system.READING)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check its name and folder") from None
    except PermissionError:
        raise InputError(f"{path}: permission to read it is denied; ask its owner") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        many = getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE)
        advice = "close other files, or allow more by ulimit -n" if many else "check its name"
        raise InputError(f"{path}: cannot be opened ({reason}); {advice}") from None
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; give a file in it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is not a plain file; save what it delivers into a file first")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    return InputFile(path).sha256


def version_of(status: os.stat_result) -> Version:
    """Return which file it is, its size, and when it was last written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def version_at(path: Path) -> Version | None:
    """Return the version of the file that a path leads to; None where it cannot be told."""
    try:
        return version_of(path.stat())
    except (OSError, ValueError):
        return None
