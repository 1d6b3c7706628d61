"""gpuae decode: features in, rows out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import (
    declare,
    machine_options,
    model_argument,
    output_options,
    trust_options,
)
from gpuae.cli.completions import files

if TYPE_CHECKING:
    from gpuae.cli.rows import Job
    from gpuae.machine import Machine


@declare
@model_argument
@click.argument("features", metavar="FEATURES", shell_complete=files())
@output_options("the rows")
@machine_options
@trust_options
def command(
    model_path: Path,
    features: str,
    output: Path,
    force: bool,
    machine: Machine,
) -> None:
    """Turn codes back into rows, in the units of the data that the model was trained on.

    FEATURES is what encode wrote, or any matrix with one column for each code unit. The output is
    HDF5, or a table if its name ends in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae decode model.h5 features.h5 -o decoded.h5
    """
    from gpuae.cli.rows import Job, write_rows
    from gpuae.encoding import decode
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import dataset_output

    check_output(output, force)
    job = Job.open(
        model_path,
        features,
        output,
        memory=machine.memory,
        row_bytes=lambda model: model.row_type.itemsize * model.network.columns,
    )
    _check_layer(job)
    shape = (len(job.x), job.model.network.columns)
    names, image_shape = job.model.feature_names, job.model.image_shape
    metadata = replace(
        job.dataset.metadata,
        feature_names=names,
        image_shape=image_shape,
        categorical=job.model.categorical,
    )
    write_rows(
        job,
        dataset_output(
            output,
            shape,
            job.model.row_type,
            metadata,
            force=force,
            attributes=job.attributes("decode", machine.device),
        ),
        output,
        lambda sink: decode(job.model, job.x, sink, machine=machine),
        f"{shape[0]} rows of {shape[1]} columns",
    )


def _check_layer(job: Job) -> None:
    """Refuse features of another layer than the code; they may have its width."""
    from gpuae.errors import InputError
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.kinds.features import layer_of

    file, depth = job.dataset.file, job.model.network.depth
    if not isinstance(file, InputFile) or job.dataset.source != str(file):
        return
    layer = layer_of(file)
    if layer not in (None, depth):
        raise InputError(
            f"{file}: holds encoder layer {layer} and only the code, layer {depth}, can be "
            "decoded; make it with gpuae encode without --layer"
        )
