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

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows, where a file that is open cannot be replaced anyway
    flock = None  # type: ignore[assignment]

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
            if is_name_of(name, descriptor):
                if is_new or _is_ours(os.fstat(descriptor)):
                    return descriptor
                name.unlink()
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was not ours to write, or somebody has removed it meanwhile


def _open(name: Path) -> tuple[int, bool]:
    """Open a file or make it; return whether it was made, too."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        with suppress(FileExistsError):
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):
            return os.open(name, flags), False


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file is plain, of this user, and not also an output whose writer was killed."""
    own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return own and stat.S_ISREG(status.st_mode) and status.st_nlink <= 1


def is_name_of(name: Path, descriptor: int) -> bool:
    """Whether a name is that of an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), name.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _lock(descriptor: int, path: Path) -> None:
    """Lock a file, on file systems that can."""
    if flock is None:
        return
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
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
        if is_name_of(name, descriptor):
            name.unlink()
        os.close(descriptor)
