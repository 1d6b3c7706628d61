"""HDF5 reads a file in the program itself, on systems that cannot limit another process.

What crashes or hangs HDF5 crashes or hangs the program there.
"""

from __future__ import annotations

import json
from threading import Lock
from typing import Any

import h5py

from gpuae.storage.files.input_file import OpenFile
from gpuae.storage.hdf5.answers import Answers, PositionedFile


class UnlimitedReader:
    """Answers questions about one file as a `ReadingProcess` does.

    Attributes
    ----------
    is_there
        Whether it can be asked: it always can.
    """

    is_there = True

    def __init__(self, source: OpenFile) -> None:
        self._source, self._lock = source, Lock()
        self._answers = Answers(
            lambda: h5py.File(PositionedFile(source.descriptor), "r", locking=False)
        )

    def ask(
        self, question: list[Any], into: memoryview | None = None
    ) -> tuple[Any, bytearray | memoryview]:
        """Return the answer to a question; its raw bytes are put `into` a buffer that fits."""
        with self._lock:
            said, raw = self._answers(question)
        said = json.loads(json.dumps(said))  # as it arrives from a process
        content = memoryview(raw).cast("B")
        if into is None or len(into) != len(content):
            return said, bytearray(content)
        into[:] = content
        return said, into
