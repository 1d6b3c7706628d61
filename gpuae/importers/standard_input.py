"""What is piped into the program, as a file that can be read like any other."""

from __future__ import annotations

import sys

from gpuae.errors import InputError
from gpuae.storage.files.spooled_file import SpooledFile

NAME = "-"
"""The DATA that means it."""
CALLED = "standard input"


def spooled() -> SpooledFile:
    """Read it to its end.

    Raises
    ------
    InputError
        When it is a terminal, or delivers nothing, as when it has been read before.
    OutputError
        When there is no room to keep it.
    """
    stream = sys.stdin
    if stream is None or stream.isatty():
        raise InputError(
            f"{NAME}: {CALLED} is a terminal; pipe a table into gpuae: cat rows.csv | gpuae …"
        )
    return SpooledFile(stream.buffer, CALLED)
