"""gpuae encode: rows in, features out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import (
    data_argument,
    declare,
    machine_options,
    model_argument,
    output_options,
    say,
    trust_options,
)
from gpuae.cli.columns import using_column_options

if TYPE_CHECKING:
    from gpuae.encoding import Sink
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.model.model import Model


@declare
@model_argument
@data_argument
@output_options("the features")
@click.option(
    "--layer",
    type=int,
    metavar="N",
    help="Encoder layer, counted from 1 [default: the last, the code].",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue where this command was interrupted, if it was.",
)
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    layer: int | None,
    resume: bool,
    force: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Write the code of each row of DATA to /features/code, with its label if it has one.

    The output is HDF5, or a table if its name ends in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae encode model.h5 rows.csv -o features.h5
    """
    from gpuae.cli.rows import Job, note, write_rows
    from gpuae.encoding import encode, in_float32, layer_index
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import features_output

    check_output(output, force)

    def row_bytes(model: Model) -> int:
        width = model.network.layers[layer_index(model, layer)].n_out
        return 0 if resume else 4 * width

    job = Job.open(model_path, data, output, reading, memory=machine.memory, row_bytes=row_bytes)
    number = layer_index(job.model, layer) + 1
    shape = (len(job.x), job.model.network.layers[number - 1].n_out)
    out = features_output(
        output,
        shape,
        job.dataset.metadata,
        force=force,
        prefix="code" if number == job.model.network.depth else f"layer{number}",
        attributes=job.attributes("encode", machine.device, {"layer": number}, layer=number),
        resume=resume,
    )

    def compute(sink: Sink) -> None:
        own = in_float32(sink)
        encode(job.model, job.x, own, layer=layer, start=out.start, note=note, machine=machine)

    try:
        write_rows(job, out, output, compute, f"{shape[0]} codes of {shape[1]} units")
    except KeyboardInterrupt:
        if out.can_go_on:
            say("to go on from here, give the same command with --resume")
        raise
