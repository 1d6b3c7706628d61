"""gpuae reconstruct: rows in, what the model makes of them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.cli.base import (
    data_argument,
    declare,
    machine_options,
    model_argument,
    output_options,
    trust_options,
)
from gpuae.cli.columns import using_column_options

if TYPE_CHECKING:
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine


@declare
@model_argument
@data_argument
@output_options("the reconstructed rows")
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    force: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Encode and decode each row of DATA, in its own units: denoised, or compressed and restored.

    The output is HDF5, or a table if its name ends in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae reconstruct model.h5 noisy.npy -o clean.h5
    """
    from gpuae.cli.rows import Job, write_rows
    from gpuae.encoding import reconstruct
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import dataset_output

    check_output(output, force)
    job = Job.open(
        model_path,
        data,
        output,
        reading,
        memory=machine.memory,
        row_bytes=lambda model: model.row_type.itemsize * model.network.columns,
    )
    rows, columns = job.x.shape
    write_rows(
        job,
        dataset_output(
            output,
            (rows, columns),
            job.model.row_type,
            job.dataset.metadata,
            force=force,
            attributes=job.attributes("reconstruct", machine.device),
        ),
        output,
        lambda sink: reconstruct(job.model, job.x, sink, machine=machine),
        f"{rows} rows of {columns} columns",
    )
