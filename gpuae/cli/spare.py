"""Where a trained model goes that cannot have the name it was to have."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.errors import GpuaeError, OutputError

if TYPE_CHECKING:
    from gpuae.model.model import Model

_STEM_LENGTH = 40
"""So much of the wanted name is kept: it may be the name that cannot be had."""


def save_spare(model: Model, output: Path, error: Exception) -> Exception:
    """Save a model wherever that is possible and return the error that says where.

    Parameters
    ----------
    output, error
        Where it was to go, and why it could not.
    """
    for folder in _folders(output):
        with suppress(GpuaeError, OSError):
            path = next(name for name in _names(folder, output) if not name.exists())
            model.save(path)
            reason = error if isinstance(error, GpuaeError) else f"{output}: {error}"
            return OutputError(f"{reason}; the model is in {path}")
    return error


def _folders(output: Path) -> Iterator[Path]:
    """Yield where it could go: beside its name, here, at home, among temporary files."""
    yield output.parent
    for folder in (Path.cwd, Path.home, tempfile.gettempdir):
        with suppress(OSError, RuntimeError):  # a folder that is gone, or no home at all
            yield Path(folder())


def _names(folder: Path, output: Path) -> Iterator[Path]:
    stem = output.stem[:_STEM_LENGTH]
    return (folder / f"{stem}-{number}.h5" for number in count(1))
