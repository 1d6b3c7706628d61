"""A trained model on its way into a file: what it says of its sources, and where else it may go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.errors import GpuaeError, InputError, OutputError

if TYPE_CHECKING:
    from gpuae.model.model import Model

_STEM_LENGTH = 40
"""So much of the wanted name is kept: it may be the name that cannot be had."""


@dataclass
class Keeper:
    """Holds a model from when it is trained until it is written."""

    model: Model | None = None


@contextmanager
def spared(output: Path) -> Iterator[Keeper]:
    """Save the model that a block keeps wherever that is possible, should the block fail.

    Raises
    ------
    OutputError
        Where it did, saying where the model is.
    """
    keeper = Keeper()
    try:
        yield keeper
    except Exception as error:
        if keeper.model is None:
            raise
        raise save_spare(keeper.model, output, error) from error


def unhashed(model: Model) -> Model:
    """Return a model that does not say by hash what it was made from."""
    from gpuae.storage.provenance import lineage

    return replace(model, attributes=lineage.unhashed(model.attributes))


def check_unchanged(changed: Path | None, what: str, output: Path) -> None:
    """Refuse an input that has changed while a model was trained, once this is written.

    Raises
    ------
    InputError
        Naming the input.
    """
    if changed is not None:
        raise InputError(
            f"{changed}: has changed while the {what} was trained, so {output} does not say by "
            "hash what it was made from; train again with a copy that stays as it is"
        )


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
