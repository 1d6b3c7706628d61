"""An output file for libraries that write from the beginning to the end."""

from __future__ import annotations

import io
from typing import Any

from gpuae.storage.files.output_file import OutputFile


class SequentialFile(io.RawIOBase):
    """An output file as one that is written from its beginning to its end.

    After its block, what is written is ignored: a library may still write long after a failure.
    """

    def __init__(self, file: OutputFile) -> None:
        self._file: OutputFile | None = file
        self._place = 0

    def __exit__(self, *exception: object) -> None:
        self._file = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how much has been written."""
        return self._place

    def write(self, content: Any) -> int:
        """Write all of it."""
        given = memoryview(content).cast("B")
        if self._file is not None:
            self._file.write(given, self._place)
        self._place += len(given)
        return len(given)
