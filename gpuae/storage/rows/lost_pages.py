"""Memory maps of files that are cut short, or whose disk fails, while their rows are read.

Reading a page that no longer exists ends a process (SIGBUS). On Linux a map that was given to
`watch` reads as zeros from that page on instead, and `check` then raises an error.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import signal
import sys
import weakref
from dataclasses import dataclass
from functools import cache
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError

_KNOWN_LAYOUT = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
"""Whether the structures here are those of the system's C library."""
_ADDRESS_AT = 16
"""Where in a siginfo_t the address is that could not be reached."""
_SA_SIGINFO, _MAP_FIXED = 4, 0x10


class _Action(ctypes.Structure):
    """The C library's struct sigaction."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@dataclass
class _Map:
    source: str
    start: int
    stop: int
    lost: bool = False


_maps: dict[int, _Map] = {}
_before = _Action()
"""What was done about SIGBUS before."""


def watch(x: NDArray[Any], source: str) -> NDArray[Any]:
    """Return a mapped array whose lost pages read as zeros for as long as it exists.

    Parameters
    ----------
    source
        What messages call the file.
    """
    mapped = getattr(x, "_mmap", None)
    if _KNOWN_LAYOUT and isinstance(mapped, mmap.mmap):
        _install()
        start = x.ctypes.data & -mmap.PAGESIZE
        stop = (x.ctypes.data + x.nbytes + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
        _maps[start] = _Map(source, start, stop)
        weakref.finalize(mapped, _maps.pop, start, None)
    return x


def check() -> None:
    """Refuse results that were computed from lost rows.

    Raises
    ------
    InputError
        Naming the file.
    """
    lost = next((own for own in list(_maps.values()) if own.lost), None)
    if lost is not None:
        raise InputError(
            f"{lost.source}: was cut short, or its disk failed, while it was read; make or copy it "
            "again"
        )


@cache
def _install() -> None:
    """Have `_replace` called when a page is lost, for the lifetime of the process."""
    action = _Action(ctypes.cast(_HANDLER, ctypes.c_void_p).value, flags=_SA_SIGINFO)
    _library().sigaction(signal.SIGBUS, ctypes.byref(action), ctypes.byref(_before))


@cache
def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    library.mmap.argtypes = (ctypes.c_void_p, size, number, number, number, ctypes.c_int64)
    library.mmap.restype = ctypes.c_void_p
    return library


def _replace(number: int, info: int, _: int) -> None:
    """Replace lost pages by zeros; the thread that read them then continues.

    It is called amid whatever that thread does, which is reading rows and nothing that this needs.
    """
    address = ctypes.c_uint64.from_address(info + _ADDRESS_AT).value
    for own in list(_maps.values()):
        if own.start <= address < own.stop:
            own.lost = True
            page = address & -mmap.PAGESIZE
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
            _library().mmap(page, own.stop - page, mmap.PROT_READ, flags, -1, 0)
            return
    _library().sigaction(number, ctypes.byref(_before), None)  # it is no page of ours


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(_replace)
