"""How far a large output has come, beside its partial file, so that it can be gone on with."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from gpuae.storage.files import system
from gpuae.storage.files.input_file import check_readable

_LARGEST = 1 << 12
"""Bytes of a journal."""


@dataclass(frozen=True)
class Progress:
    """What lies in a partial file for good.

    Attributes
    ----------
    identity
        SHA-256 of everything in the file but its rows: model, data, options, labels.
    offset
        Where the rows begin, in bytes.
    rows
        Rows from the first on that will outlast a power cut.
    """

    identity: str
    offset: int
    rows: int

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a journal says; None where there is none that can be read."""
        try:
            if check_readable(path) > _LARGEST:
                return None
            values = json.loads(path.read_text(encoding="ascii"))
            return cls(str(values["identity"]), int(values["offset"]), int(values["rows"]))
        except (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write the journal anew, whole or not at all."""
        new = _new(path)
        new.unlink(missing_ok=True)
        with new.open("x", encoding="ascii") as file:  # never through a link
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        system.replace(new, path)


def discard(path: Path) -> None:
    """Remove a journal and what a writer of it has left."""
    path.unlink(missing_ok=True)
    _new(path).unlink(missing_ok=True)


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
