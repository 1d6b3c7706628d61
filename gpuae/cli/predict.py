"""gpuae predict: rows in, the class of each out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import (
    PATH,
    data_argument,
    declare,
    machine_options,
    output_options,
    trust_options,
)
from gpuae.cli.columns import using_column_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.encoding import Sink
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine


@declare
@click.argument("model_path", metavar="CLASSIFIER", type=PATH)
@data_argument
@output_options("the classes")
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
    """Write the most likely class of each row of DATA, and the probability of every class.

    The output is HDF5 (/predictions), or a table if its name ends in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae predict classifier.h5 new.csv -o classes.csv
    """
    from gpuae.classification import predictions
    from gpuae.cli.rows import Job, note, write_rows
    from gpuae.encoding import check_classifies, classify
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import prediction_type, predictions_output

    check_output(output, force)
    job = Job.open(
        model_path,
        data,
        output,
        reading,
        memory=machine.memory,
        row_bytes=lambda own: 4 * own.network.outputs,
    )
    classes = check_classifies(job.model).classes
    dtype = prediction_type(output, classes)

    def compute(sink: Sink) -> None:
        def judged(start: int, block: NDArray[Any]) -> None:
            sink(start, predictions(block, classes, dtype))

        classify(job.model, job.x, judged, note=note, machine=machine)

    rows = len(job.x)
    write_rows(
        job,
        predictions_output(
            output,
            rows,
            classes,
            job.dataset.metadata,
            force=force,
            attributes=job.attributes("predict", machine.device),
        ),
        output,
        compute,
        f"the classes of {rows} rows",
    )
