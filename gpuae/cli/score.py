"""gpuae score: rows in, an anomaly score for each out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.cli.base import (
    data_argument,
    declare,
    machine_options,
    model_argument,
    output_options,
    trust_option,
)
from gpuae.cli.columns import column_options

if TYPE_CHECKING:
    from gpuae.importers import ReadOptions


@declare
@model_argument
@data_argument
@output_options("the scores")
@column_options
@machine_options
@trust_option
def command(
    model_path: Path,
    data: str,
    output: Path,
    force: bool,
    device: str,
    threads: int | None,
    memory: int | None,
    reading: ReadOptions,
) -> None:
    """Write each row's error to /scores/error: the larger, the less it is like the training data.

    The error is the mean over columns of the squared difference between a row and its
    reconstruction, in scaled units. The output is HDF5, or a table if its name ends in .csv, .tsv
    or .parquet.

    \b
    Example:
      gpuae score model.h5 today.csv -o scores.h5
    """
    from gpuae.cli.rows import Job, note, write_rows
    from gpuae.encoding import score
    from gpuae.storage.dataset import check_output
    from gpuae.storage.features import scores_output

    check_output(output, force)
    job = Job.open(model_path, data, output, reading, memory=memory, row_bytes=lambda _: 8)
    rows = len(job.x)
    write_rows(
        job,
        scores_output(
            output, rows, force=force, **job.labels, attributes=job.attributes("score", device)
        ),
        output,
        lambda sink: score(
            job.model, job.x, sink, device=device, threads=threads, memory=memory, note=note
        ),
        f"{rows} scores",
    )
