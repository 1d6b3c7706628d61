"""HDF5 files that fit in memory, written at once when they are complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from gpuae.storage.files.output_file import OutputFile
from gpuae.storage.outputs.hdf5_image import Build, image_with_hash

_RESERVE_BYTES = 1 << 16
"""For what HDF5 may add to the size that was asked for."""


def write_small(path: Path, build: Build, *, force: bool) -> None:
    """Write an HDF5 file that fits in memory.

    Parameters
    ----------
    path
        Appears complete or not at all.
    build
        Fills the file, but for its content hash.
    force
        Whether an existing file is replaced.

    Raises
    ------
    OutputError
        When it cannot be written there.
    """
    with SmallOutput(path, force=force) as output:
        output.write(build)


class SmallOutput:
    """A new HDF5 file that fits in memory, whose name is taken before its content is known.

    A context manager. The file takes its name when the block ends with something written.

    Raises
    ------
    OutputError
        When it cannot be written there.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        self._file = OutputFile(path, force)
        self._file.wanted = False

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.__exit__(*exception)

    def rehearse(self, build: Build, size: int) -> None:
        """Reserve space for `size` bytes, or for what `build` writes if that is more.

        What HDF5 cannot hold is found out as well, before any work is done for it.
        """
        self._file.reserve(max(size, len(image_with_hash(build))) + _RESERVE_BYTES)

    def write(self, build: Build) -> None:
        """Write what `build` fills a file with, and its content hash."""
        image = image_with_hash(build)
        self._file.write(memoryview(image), 0)
        self._file.truncate(len(image))
        self._file.wanted = True
