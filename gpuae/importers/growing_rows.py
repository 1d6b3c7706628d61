"""Rows whose number and type are known when the last of them has been read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import OutputError

FIRST_VALUES = 1 << 16
CONVERTED_AT_ONCE = 1 << 20
"""Values."""
Convert = Callable[[int, NDArray[np.float64]], NDArray[Any]]
"""Converts some values; the integer is the place of the first of them among all."""


class GrowingRows:
    """Rows of floats of 64 bits that are appended, in memory or, where they are many, in a file.

    The file has no name and lies in the folder that TMPDIR says.

    Parameters
    ----------
    columns
        Of each row.
    memory
        Bytes of rows that may be in memory.
    """

    def __init__(self, columns: int, memory: int) -> None:
        self._columns, self._memory = max(1, columns), memory
        self._values = np.empty(FIRST_VALUES)
        self._count = 0
        self._file: FileIO | None = None

    def __len__(self) -> int:
        return self._count // self._columns

    def append(self, rows: NDArray[np.float64]) -> None:
        """Append rows (m, d).

        Raises
        ------
        OutputError
            Where there is no room for them.
        """
        if self._file is None and 8 * (self._count + rows.size) > self._memory:
            self._move_to_file()
        if self._file is None:
            self._append_in_memory(rows)
        else:
            self._write(self._file, rows, 8 * self._count)
        self._count += rows.size

    def _append_in_memory(self, rows: NDArray[np.float64]) -> None:
        needed = self._count + rows.size
        if needed > len(self._values):
            self._values.resize(max(needed, len(self._values) * 3 // 2), refcheck=False)
        self._values[self._count : needed] = rows.reshape(-1)

    def _move_to_file(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="gpuae-", buffering=0)  # noqa: SIM115 it is kept
        except OSError as error:
            raise _no_room(8 * self._count, error) from None
        self._write(self._file, self._values[: self._count], 0)
        self._values = np.empty(0)

    def _write(self, file: FileIO, values: NDArray[Any], position: int) -> None:
        try:
            file.seek(position)
            rest = values.reshape(-1).view(np.uint8).data
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise _no_room(position + values.nbytes, error) from None

    def finished(self) -> NDArray[np.float64]:
        """Return all rows (n, d) as they are. Nothing can be appended after that."""
        if self._file is None:
            self._values.resize(self._count, refcheck=False)
            return self._values.reshape(len(self), self._columns)
        return self._mapped(self._file, np.dtype(np.float64))

    def finished_as(self, dtype: np.dtype[Any], convert: Convert) -> NDArray[Any]:
        """Return them in a type that takes no more room, as `convert` makes them of it."""
        if self._file is None:
            return self._converted(dtype, convert).reshape(len(self), self._columns)
        for start, values in self._stored(self._file):
            self._write(self._file, convert(start, values), start * dtype.itemsize)
        return self._mapped(self._file, dtype)

    def _mapped(self, file: FileIO, dtype: np.dtype[Any]) -> NDArray[Any]:
        with file:
            file.truncate(self._count * dtype.itemsize)
            return np.memmap(file, dtype, "r", shape=(len(self), self._columns))

    def _converted(self, dtype: np.dtype[Any], convert: Convert) -> NDArray[Any]:
        """Convert from the front on: what is written never reaches what has not been read."""
        others = self._values.view(dtype)
        for start in range(0, self._count, CONVERTED_AT_ONCE):
            stop = min(start + CONVERTED_AT_ONCE, self._count)
            others[start:stop] = convert(start, self._values[start:stop])
        del others
        self._values.resize(-(-self._count * dtype.itemsize // 8), refcheck=False)
        return self._values.view(dtype)[: self._count]

    def _stored(self, file: FileIO) -> Iterator[tuple[int, NDArray[np.float64]]]:
        for start in range(0, self._count, CONVERTED_AT_ONCE):
            file.seek(8 * start)
            count = min(CONVERTED_AT_ONCE, self._count - start)
            yield start, np.frombuffer(file.read(8 * count))


def _no_room(size: int, error: OSError) -> OutputError:
    return OutputError(
        f"{tempfile.gettempdir()}: has no room for {size / 2**20:.0f} MiB of rows that do not fit "
        f"into memory ({error.strerror or error}); set TMPDIR to a folder that has"
    )
