"""Rows as codes: encoded now, or by encode before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.cli.rows import Job
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.storage.files.input_file import Input, InputFile


@dataclass(frozen=True)
class Coded:
    """Rows and their codes."""

    job: Job
    codes: NDArray[np.float32]
    numbers: NDArray[np.int64] | None = None
    """Which rows of the data these are; None: all."""

    @classmethod
    def open(
        cls,
        model_path: Path,
        data: str,
        reading: ReadOptions,
        machine: Machine,
        output: Path | None,
    ) -> Coded:
        """Read rows and encode them, or read the codes that they have already."""
        from gpuae.cli.rows import Job, note, opened
        from gpuae.encoding import encode, in_float32, into
        from gpuae.storage.rows.row_blocks import blocks

        files = opened(model_path, data)
        ready = _has_codes(data, *files)
        own = None if ready else reading
        job = Job.open(model_path, data, output, own, memory=machine.memory, files=files)
        codes = np.empty((len(job.x), job.model.network.code_size), np.float32)
        if ready:
            _check_layer(job)
            note(f"{data} holds codes that {model_path} has made; they are taken as they are")
            for start, block in blocks(job.x):
                into(codes)(start, block)
        else:
            encode(job.model, job.x, in_float32(into(codes)), note=note, machine=machine)
        job.check_unchanged()
        return cls(job, codes)

    def rows(self, of: str) -> Coded:
        """Return those that a person names by their numbers; all where the data are named."""
        from gpuae.neighbors import are_row_numbers, row_numbers

        numbers = np.arange(len(self.codes))
        if are_row_numbers(of):  # the name of the data stands for all of them
            numbers = row_numbers(of, len(self.codes), self.job.dataset.source)
        return Coded(self.job, self.codes[numbers], numbers)

    def beside(self, name: str) -> NDArray[Any] | None:
        """Return the labels `y` or the ids `row_id` of these rows; None where there are none."""
        from gpuae.storage.outputs.table_content import texts

        values = getattr(self.job.dataset, name)
        if values is None:
            return None
        return texts(values if self.numbers is None else values[self.numbers])


def _has_codes(data: str, model: InputFile, file: Input | None) -> bool:
    """Whether DATA is a features file that the model has made."""
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.kinds.features import are_features_of

    return isinstance(file, InputFile) and data == str(file) and are_features_of(file, model)


def _check_layer(job: Job) -> None:
    """Refuse the features of another layer than the code."""
    from gpuae.errors import InputError
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.kinds.features import layer_of

    file, depth = job.dataset.file, job.model.network.depth
    layer = layer_of(file) if isinstance(file, InputFile) else None
    if layer not in (None, depth):
        raise InputError(
            f"{file}: holds encoder layer {layer} and not the code, layer {depth}; make it with "
            "gpuae encode without --layer, or give the rows themselves"
        )
