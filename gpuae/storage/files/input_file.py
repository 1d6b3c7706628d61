"""Files as they are given: whether they can be read at all, and what identifies their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TypeAlias

from gpuae.errors import InputError

Version: TypeAlias = tuple[int, ...]
"""What changes when somebody writes to a file or puts another one in its place."""


def check_readable(path: Path) -> int:
    """Return the size in bytes of a file that can be read and holds something.

    Raises
    ------
    InputError
        When it is missing, a folder, empty, no plain file, or not ours to read.
    """
    size = check_plain(path)
    if size == 0:
        raise InputError(f"{path}: is empty; make it again")
    return size


def check_plain(path: Path) -> int:
    """Return the size in bytes of a file that can be read, 0 for one that holds nothing.

    Raises
    ------
    InputError
        When it is missing, a folder, no plain file, or not ours to read.
    """
    try:
        status = _status(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check its name and folder") from None
    except PermissionError:
        raise InputError(f"{path}: permission to read it is denied; ask its owner") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be opened ({reason}); check its name") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a folder; give a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a plain file; save what it delivers into a file first")
    return status.st_size


def _status(path: Path) -> os.stat_result:
    """Open and look, without waiting for a writer, which a named pipe would do for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    check_readable(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); copy it again") from None


def version_of(status: os.stat_result) -> Version:
    """Return which file it is, its size, and when it was last written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class InputFiles:
    """Files that something is made from, as they were before any of them was read.

    Parameters
    ----------
    paths
        None stands for data that are in no file.
    """

    def __init__(self, *paths: Path | None) -> None:
        self._versions = {path: _version(path) for path in paths if path is not None}

    def changed(self) -> Path | None:
        """Return the first file that is not what it was; None where all are."""
        files = self._versions.items()
        return next((path for path, version in files if version != _version(path)), None)

    def check(self) -> None:
        """Refuse to go on with what was read from files that have changed.

        Raises
        ------
        InputError
            Naming the first that has.
        """
        path = self.changed()
        if path is not None:
            raise InputError(
                f"{path}: has changed while it was read; try again when nobody writes to it, or "
                "with a copy"
            )


def _version(path: Path) -> Version | None:
    """Return a file's version; None where it cannot be told, which its reader will say."""
    try:
        return version_of(path.stat())
    except (OSError, ValueError):
        return None
