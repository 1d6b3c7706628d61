"""gpuae encode: rows in, features out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from gpuae.cli.foretold import dry_run_option, process_began, tell_foretold
from gpuae.cli.time_limit import stop_here, time_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.cli.rows import Job
    from gpuae.encoding import Sink
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.model.model import Model
    from gpuae.training.deadline import Deadline


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
@time_option
@dry_run_option
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    layer: int | None,
    resume: bool,
    max_time: float | None,
    dry_run: bool,
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
    began = process_began()
    from gpuae.cli.rows import Job, note, write_rows
    from gpuae.encoding import encode, in_float32, layer_index
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import features_output
    from gpuae.storage.outputs.endings import is_table
    from gpuae.training.deadline import Deadline, TimeOver

    deadline = Deadline(math.inf if max_time is None else max_time)
    check_output(output, force)
    is_table(output)  # refuses what is not written
    if deadline.limited:
        _check_goes_on(output)

    def row_bytes(model: Model) -> int:
        width = model.network.layers[layer_index(model, layer)].n_out
        return 0 if resume else 4 * width

    written = None if dry_run else output
    job = Job.open(model_path, data, written, reading, memory=machine.memory, row_bytes=row_bytes)
    if dry_run:
        _foretell(job, output, layer, machine, began)
        return
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
        own = in_float32(_until(deadline, sink))
        try:
            encode(job.model, job.x, own, layer=layer, start=out.start, note=note, machine=machine)
        except TimeOver:
            if job.hash is not None:
                job.hash.result()  # what is there is only kept once it is known of which data it is
            raise

    try:
        write_rows(job, out, output, compute, f"{shape[0]} codes of {shape[1]} units")
    except TimeOver:
        raise stop_here("to go on from here, give the same command with --resume") from None
    except KeyboardInterrupt:
        if out.can_go_on:
            say("to go on from here, give the same command with --resume")
        raise


def _foretell(job: Job, output: Path, layer: int | None, machine: Machine, began: float) -> None:
    """Say what encoding would take."""
    from gpuae.foretelling import CodesTask, foretell_encode

    attributes = job.attributes("encode", machine.device)  # the data are hashed for them
    task = CodesTask(job.model, job.dataset, output, layer, machine, attributes)
    tell_foretold(foretell_encode(task, began), output)


def _check_goes_on(output: Path) -> None:
    """Refuse a kind of file that cannot be gone on with.

    Raises
    ------
    OutputError
        For tables.
    """
    from gpuae.errors import OutputError
    from gpuae.storage.outputs.endings import is_table

    if is_table(output):
        raise OutputError(
            f"{output}: a table is written in one go, so --max-time would leave nothing; "
            "write HDF5 (.h5), or leave --max-time out"
        )


def _until(deadline: Deadline, sink: Sink) -> Sink:
    """Return a sink that takes a first block, and more of them until the time is over."""
    begun = False

    def taken(start: int, block: NDArray[Any]) -> None:
        nonlocal begun
        if begun:
            deadline.check()
        begun = True
        sink(start, block)

    return taken
