"""What comes through a pipe, kept in a file without a name so that it can be read again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.input_file import InputFile

BLOCK_BYTES = 1 << 20
SHARE_OF_DISK = 2
"""A pipe may take one part of so many of what is free: some never end."""


class SpooledFile(InputFile):
    """What a stream has delivered, in a file of the folder of TMPDIR that nobody else sees.

    Parameters
    ----------
    stream
        Is read to its end.
    name
        What messages and files made from it call it.

    Raises
    ------
    InputError
        When it delivers nothing, or more than half of what is free on the disk.
    OutputError
        When it cannot be kept there.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__(Path(name), _spooled(stream, name))

    @property
    def changed(self) -> None:
        """Nobody else can change it."""
        return None


def _spooled(stream: IO[bytes], name: str) -> int:
    """Return the descriptor of a file without a name that holds what a stream delivers."""
    folder = tempfile.gettempdir()
    try:
        most = shutil.disk_usage(folder).free // SHARE_OF_DISK
        with tempfile.TemporaryFile(prefix="gpuae-") as file:
            while block := stream.read(BLOCK_BYTES):
                most -= len(block)
                if most < 0:
                    raise InputError(
                        f"{name}: delivers more than half of what {folder} has room for; save it "
                        "into a file first, or set TMPDIR to a folder with more room"
                    )
                file.write(block)
            file.flush()
            if not file.tell():
                raise InputError(
                    f"{name}: delivers nothing, or has been read before; pipe a table into gpuae, "
                    "and name it once"
                )
            return os.dup(file.fileno())
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot keep what comes from {name} ({error.strerror or error}); set TMPDIR "
            "to a folder with room"
        ) from None
