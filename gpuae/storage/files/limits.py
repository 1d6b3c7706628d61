"""How large what is read may be, and what may unpack it, until a person says more.

What is said holds for the whole process, since threads read for one another. The limits concern
size and compression only: what reaches beyond its file is refused whatever they are.
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
    process_bytes: int = 1 << 30
    """Memory that HDF5 may take to read a file, in a process of its own."""
    process_seconds: float = 20
    """Of computing, that it may take there for one thing: a damaged file can make it endless.
    Small files have less."""
    silent_seconds: float = 120
    """That it may say nothing: it may wait for what never comes, which is no computing."""
    description_bytes: int = 64 << 20
    """Of any one text, and entries of any one list, in what describes a parquet file."""


CAREFUL = Limits(inflation=1000, free_bytes=64 << 20, chunk_bytes=1 << 30, text_bytes=1 << 30)
TRUSTING = Limits(
    inflation=sys.maxsize,
    free_bytes=sys.maxsize,
    chunk_bytes=sys.maxsize,
    text_bytes=sys.maxsize,
    process_bytes=sys.maxsize,
    process_seconds=600,
    silent_seconds=3600,
    description_bytes=sys.maxsize,
)
FILTERS_ADVICE = "give --allow-filters if you trust its source"
"""How a person allows it; in Python `with gpuae.allow_filters():`."""

_stack = [CAREFUL]
_filters_allowed = [False]


def current() -> Limits:
    """Return the limits that hold now."""
    return _stack[-1]


@contextmanager
def trust_size() -> Iterator[None]:
    """Lift the limits on size and compression within the block.

    Returns
    -------
    context manager
        For a `with` statement; limits of other kinds stay.
    """
    _stack.append(TRUSTING)
    try:
        yield
    finally:
        _stack.pop()


def filters_allowed() -> bool:
    """Whether the filters of hdf5plugin may unpack what is read, which HDF5 itself does not."""
    return _filters_allowed[-1]


@contextmanager
def allow_filters() -> Iterator[None]:
    """Let the filters of hdf5plugin unpack what is read within the block.

    Returns
    -------
    context manager
        For a `with` statement.
    """
    _filters_allowed.append(True)
    try:
        yield
    finally:
        _filters_allowed.pop()


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
