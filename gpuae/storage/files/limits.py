"""How large what is read may be, until a person says that a file's size can be trusted.

The limits hold for the whole process, since threads read for one another. They concern size and
compression only: what reaches beyond its file is refused whatever they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gpuae.errors import InputError
from gpuae.memory import physical_memory

ADVICE = "give --trust-size if you trust its source"
"""How a person lifts a limit; in Python `with gpuae.trust_size():`."""


@dataclass(frozen=True)
class Limits:
    """The largest sizes that are read without being asked for; those of memory stay."""

    inflation: int
    """Declared over stored size."""
    free_bytes: int
    """Data sets up to this size may have any ratio: they do no harm."""
    chunk_bytes: int
    """Declared size of one chunk."""
    text_bytes: int
    """Memory that the strings of one dataset or column may take."""


CAREFUL = Limits(inflation=1000, free_bytes=64 << 20, chunk_bytes=1 << 30, text_bytes=1 << 30)
TRUSTING = Limits(*[sys.maxsize] * 4)

_stack = [CAREFUL]


def current() -> Limits:
    """Return the limits that hold now."""
    return _stack[-1]


@contextmanager
def trust_size() -> Iterator[None]:
    """Lift the limits on size and compression within the block."""
    _stack.append(TRUSTING)
    try:
        yield
    finally:
        _stack.pop()


def check_memory(
    nbytes: int,
    source: str,
    advice: str = "store it contiguous and uncompressed in native byte order, "
    "which is read in place",
) -> None:
    """Refuse what has to be read into memory and is larger than that, trusted or not.

    Raises
    ------
    InputError
        With the `advice`.
    """
    if nbytes > physical_memory():
        raise InputError(
            f"{source}: needs {nbytes / 2**30:.0f} GiB, more than this machine's memory; {advice}"
        )


def check_text(longest: int, count: int, source: str) -> None:
    """Refuse `count` strings that take the room of the longest, of so many characters, each.

    Raises
    ------
    InputError
        When they take more memory than the limits allow.
    """
    most = current().text_bytes
    if 4 * longest * count > most:
        raise InputError(f"{source}: holds over {most >> 20} MiB of text; shorten it, or {ADVICE}")
    check_memory(4 * longest * count, source, "shorten its longest text")
