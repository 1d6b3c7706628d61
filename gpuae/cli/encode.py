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
)

if TYPE_CHECKING:
    from gpuae.encoding import Sink


@declare
@model_argument
@data_argument
@output_options("the features")
@click.option(
    "--layer", type=int, metavar="N", help="Encoder layer, from 1 [default: the last, the code]."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where this command was interrupted, if it was; else begin.",
)
@machine_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    layer: int | None,
    resume: bool,
    force: bool,
    device: str,
    threads: int | None,
    memory: int | None,
) -> None:
    """Write the code of each row of DATA to /features/code, with its label where there is one.

    \b
    Example:
      gpuae encode model.h5 rows.csv -o features.h5
    """
    from gpuae.cli.rows import Job, write_rows
    from gpuae.encoding import encode, layer_index
    from gpuae.storage.dataset import check_output
    from gpuae.storage.features import features_output

    check_output(output, force)
    job = Job.open(model_path, data, output, memory=memory)
    index = layer_index(job.model, layer)
    shape = (len(job.x), job.model.network.layers[index].n_out)
    attributes = job.attributes("encode", device, layer=index + 1) | {"layer": index + 1}
    out = features_output(
        output, shape, force=force, **job.labels, attributes=attributes, resume=resume
    )

    def compute(sink: Sink) -> None:
        encode(
            job.model,
            job.x,
            sink,
            layer=layer,
            device=device,
            threads=threads,
            memory=memory,
            start=out.start,
        )

    try:
        write_rows(out, output, compute, f"{shape[0]} codes of {shape[1]} units")
    except KeyboardInterrupt:
        say("to go on from here, give the same command with --resume")
        raise
