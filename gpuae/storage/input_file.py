"""Files as they are given: whether they can be read at all, and what identifies their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from gpuae.errors import InputError


def check_readable(path: Path) -> int:
    """Return the size in bytes of a file that can be read.

    Raises
    ------
    InputError
        When it is missing, a folder, empty, no plain file, or not ours to read.
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
    if status.st_size == 0:
        raise InputError(f"{path}: is empty; make it again")
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
