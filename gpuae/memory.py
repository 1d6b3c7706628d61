"""How much memory this machine has, and what share of it data may take."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
STATUS = Path("/proc/self/status")
LARGEST_SHARE = 2 << 30
"""More memory for data is not asked for by default: they are read as fast from the file."""
MOST = float(1 << 62)
"""Bytes: more than any machine has."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)B?")


def physical_memory() -> int:
    """Return the bytes of memory that are built in; where that cannot be told, more than any."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return sys.maxsize


def available_memory() -> int:
    """Return the bytes that this process could still get, as its container limits them."""
    import psutil

    return min(int(psutil.virtual_memory().available), _left_to_group())


def resident_memory() -> int:
    """Return the bytes that this process has in memory now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Return the bytes that this process has had in memory at most; where unknown, what it has."""
    try:  # what getrusage tells counts a parent's, too
        lines = STATUS.read_text(encoding="ascii").splitlines()
        return next(int(own.split()[1]) << 10 for own in lines if own.startswith("VmHWM:"))
    except (OSError, ValueError, StopIteration):
        return resident_memory()


def _left_to_group() -> int:
    """Return the bytes that the control group (Linux, version 2) has left."""
    try:
        limit, used = (
            int((GROUP / name).read_text(encoding="ascii"))
            for name in ("memory.max", "memory.current")
        )
    except (OSError, ValueError):  # no such file, or "max"
        return sys.maxsize
    return max(0, limit - used)


def data_memory(setting: str | None) -> int:
    """Return the bytes of data that may be in memory at once.

    Parameters
    ----------
    setting
        Such as `500MB` or `2G`, in powers of 1024; None: a quarter of what is available, and
        `LARGEST_SHARE` at most.
    """
    if setting is None:
        return min(available_memory() // 4, LARGEST_SHARE)
    found = _SIZE.fullmatch(setting)
    if found is None:
        raise ValueError(f"{setting!r} is no amount such as 500MB or 2GB")
    return int(min(float(found[1]) * _UNITS[found[2]], MOST))
