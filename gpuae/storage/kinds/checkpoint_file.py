"""Checkpoints in HDF5: a model, and under /state what training needs to be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.content_hash import file_hash
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, opening, reading, walk
from gpuae.storage.hdf5.nodes import Dataset, File
from gpuae.storage.kinds import model_file
from gpuae.storage.kinds.model_contents import ModelContents
from gpuae.storage.outputs.small_output import write_small

STATE = "/state"


def write_checkpoint(
    path: Path, contents: ModelContents, state: Mapping[str, NDArray[Any]]
) -> None:
    """Write a checkpoint in place of the one before, complete or not at all.

    Parameters
    ----------
    state
        Arrays by their path below /state.

    Raises
    ------
    OutputError
        When it cannot be written there.
    """

    def build(file: h5py.File) -> None:
        model_file.fill(file, contents, model_file.CHECKPOINT)
        for name in sorted(state):
            folder, _, own = f"{STATE}/{name}".rpartition("/")
            file.require_group(folder)[own] = state[name]  # which has no times, unlike one implied

    write_small(path, build, force=True)


def read_checkpoint(
    input_file: InputFile,
) -> tuple[ModelContents, dict[str, NDArray[Any]]]:
    """Return the model in a checkpoint, and the arrays under /state by their path there.

    Raises
    ------
    InputError
        When the file is no checkpoint, or damaged: a changed value would change the result unseen.
    """
    path = input_file.path
    with opening.opened(input_file) as file:
        contents = model_file.contents_of(file, model_file.CHECKPOINT)
        stated = reading.root_attributes(file).get(file_format.CONTENT_SHA256)
        if stated and stated != file_hash.content_sha256(walk.guarded_objects(file)):
            raise InputError(
                f"{path}: its content is not what was written: the hash differs; begin without "
                "--resume, under another name"
            )
        names = list(_names(file, STATE))
        if not names:
            raise InputError(f"{path}: holds no state to go on from; begin without --resume")
        prefix = f"{STATE}/"
        state = {name.removeprefix(prefix): reading.required_array(file, name) for name in names}
    return contents, state


def _names(file: File, folder: str) -> Iterator[str]:
    """Yield the paths of all datasets below a group of two levels."""
    group = reading.group_at(file, folder)
    for name in guard.names_in(group):
        path = f"{folder}/{name}"
        if isinstance(file.find(path), Dataset):
            yield path
        elif folder == STATE:
            yield from _names(file, path)
