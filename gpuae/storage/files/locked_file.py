"""Hidden files beside an output, each of which one process at a time may write."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpuae.errors import OutputError
from gpuae.storage.files import locks, system

NAME_LENGTH = 40
"""Of the wanted name, so much is kept in a hidden one."""
ENDINGS = ("partial", "progress", "progress.new", "lock")
"""Of the hidden names that an output has, or may have."""


def real_path(path: Path) -> Path:
    """Follow symbolic links, so that the file they name is replaced and not the link."""
    return Path(os.path.realpath(path))


def hidden_name(target: Path, ending: str) -> Path:
    """Return a hidden name, in the same folder, that belongs to `target`."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return target.with_name(f".{target.name[:NAME_LENGTH]}.{digest}.{ending}")


def open_locked(name: Path, path: Path) -> int:
    """Open or make the hidden file `name` of the output `path` for writing, and lock it.

    It is of this user, and has no other name: what else has its name is left alone, or loses it.

    Raises
    ------
    OSError
        When it can be neither opened nor made.
    OutputError
        When another process has locked it.
    """
    while True:
        descriptor, is_new = _open(name)
        try:
            _lock(descriptor, path)
            status = os.fstat(descriptor)
            is_there = is_name_of(name, status)
            if is_there and (is_new or _is_ours(status)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        if is_there:  # and not ours to write
            system.remove_and_close(name, descriptor)
        else:  # somebody has removed it meanwhile
            os.close(descriptor)


def _open(name: Path) -> tuple[int, bool]:
    """Open a file or make it; return whether it was made, too."""
    while True:
        with suppress(FileExistsError):
            return os.open(name, system.WRITING | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):
            return os.open(name, system.WRITING), False


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file is plain, of this user, and not also an output whose writer was killed."""
    own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return own and stat.S_ISREG(status.st_mode) and status.st_nlink <= 1


def is_name_of(name: Path, status: os.stat_result) -> bool:
    """Whether a name is that of a file with this status."""
    try:
        return os.path.samestat(status, name.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _lock(descriptor: int, path: Path) -> None:
    """Lock a file, on file systems that can."""
    try:
        locks.lock(descriptor)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise OutputError(
                f"{path}: another process is writing it; wait until that has ended or choose "
                "another name"
            ) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes from holding `path` in the block, in which it may be written again.

    Raises
    ------
    OutputError
        When another one does, or no file can be made beside it.
    """
    name = hidden_name(real_path(path), "lock")
    try:
        descriptor = open_locked(name, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); choose another folder"
        ) from None
    try:
        yield
    finally:
        if is_name_of(name, os.fstat(descriptor)):
            system.remove_and_close(name, descriptor)
        else:
            os.close(descriptor)
