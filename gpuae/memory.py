"""How much memory this machine has."""

from __future__ import annotations

import os
import sys


def physical_memory() -> int:
    """Return the bytes of memory that are built in; where that cannot be told, more than any."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return sys.maxsize
