"""Locks on open files, with what the system has for them: none, where it has nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from types import ModuleType

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

msvcrt: ModuleType | None
try:
    import msvcrt
except ImportError:  # everything else
    msvcrt = None

LOCKED_AT = (1 << 31) - 2
"""The byte that Windows locks, which keeps others from reading it, too: the last that it can."""


def lock(descriptor: int) -> None:
    """Lock a file against everybody else; it is unlocked when it is closed.

    Raises
    ------
    OSError
        With EWOULDBLOCK or EACCES when another process has locked it.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        os.lseek(descriptor, LOCKED_AT, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)


def share(descriptor: int) -> None:
    """Lock a file against those who write to it, where there are such locks.

    Raises
    ------
    OSError
        BlockingIOError when another process writes to it.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def unshare(descriptor: int) -> None:
    """Let others write to a file that was shared."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
