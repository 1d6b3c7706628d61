"""Makes Python on this system lack what Python on Windows lacks, and treat files as that does.

To be used first of all in a process of its own. It cannot stand in for backslashes in paths, for
another C library, or for whatever else nobody thought of.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "tty")
CALLS = """
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WNOHANG chown fchmod fchown fork forkpty getegid
    geteuid getgid getloadavg getpgid getpgrp getuid killpg nice posix_fadvise posix_fallocate pread
    preadv pwrite pwritev register_at_fork sched_getaffinity sched_setaffinity sched_yield setpgid
    setsid sysconf tcgetpgrp ttyname uname wait4
"""
SIGNALS = """
    ITIMER_PROF ITIMER_REAL SIGALRM SIGBUS SIGCHLD SIGHUP SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP
    SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask setitimer sigpending sigtimedwait
    sigwait
"""
DENIED = 13
"""What Windows says of a file that somebody has open."""


def become() -> None:
    """Do all of it, after the import of packages that do otherwise on Windows."""
    import h5py  # noqa: F401
    import numba  # noqa: F401
    import psutil  # noqa: F401
    import sklearn.utils  # noqa: F401

    tempfile._os = SimpleNamespace(**vars(os))  # its files vanish in other ways there
    take_away()
    keep_open_files()
    subprocess.Popen.__init__ = start_nothing
    from gpuae.storage.files import system
    from gpuae.storage.rows import lost_pages

    system.REPLACES_OPEN = False
    lost_pages._KNOWN_LAYOUT = False


def take_away() -> None:
    """Remove what is lacking."""
    for name in MODULES:
        sys.modules[name] = None
    maps = " ".join(own for own in dir(mmap) if own.startswith(("MADV_", "MAP_", "PROT_")))
    for owner, names in ((os, CALLS), (signal, SIGNALS), (mmap, maps)):
        for name in names.split():
            with suppress(AttributeError):  # this system has not got it either
                delattr(owner, name)


def start_nothing(*_, **__) -> None:
    """Stand in for what starts another program: no command has to."""
    raise AssertionError("a program was started")


def keep_open_files() -> None:
    """Refuse to replace or remove files that this process has open, and to open folders."""
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, _refusing(getattr(os, name)))
    really = os.open

    def opened(path, *how, **more):
        if Path(path).is_dir():
            raise PermissionError(DENIED, "Permission denied", str(path))
        return really(path, *how, **more)

    os.open = opened


def _refusing(call):
    def refusing(*paths, **more):
        for path in paths:
            with suppress(FileNotFoundError):
                if _identity(os.lstat(path)) in _open_files():
                    raise PermissionError(DENIED, "Permission denied", str(path))
        return call(*paths, **more)

    return refusing


def _open_files() -> set[tuple[int, int]]:
    """Return which files are open, or mapped."""
    found = set()
    for name in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(_identity(os.fstat(int(name.name))))
    for line in Path("/proc/self/maps").read_text().splitlines():
        _, _, _, device, inode, *_ = line.split()
        major, minor = (int(part, 16) for part in device.split(":"))
        found.add((os.makedev(major, minor), int(inode)))
    return found


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
