"""Standard streams whose loss does not end the work: closed, full, or with nobody who reads."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO


class _Patient(io.FileIO):
    """Takes whatever is written, whether or not it can be passed on."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError:
            return memoryview(content).nbytes


def prepare() -> None:
    """Make the standard streams fit for a command.

    What is written to one that was closed goes nowhere: else the next file to be opened would have
    its number. Messages that cannot be written are no reason to fail.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number, which is this one
    sys.stdout = _text(sys.stdout, 1)
    sys.stderr = _text(sys.stderr, 2)
    if sys.platform != "win32":
        raw = _Patient(2, "w", closefd=False)
        buffer = io.BufferedWriter(raw)
        sys.stderr = io.TextIOWrapper(buffer, sys.stderr.encoding, "replace", line_buffering=True)


def _text(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return open(number, "w", encoding="utf-8", closefd=False)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without λ is no reason to fail
    return stream


def finish() -> OSError | None:
    """Write out what is left of the results, or return why it cannot be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):  # Python would try once more, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None
