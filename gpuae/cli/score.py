"""gpuae score: rows in, an anomaly score for each out."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.cli.rows import Job
    from gpuae.encoding import Sink
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.outliers import Report

COLUMNS_NAMED = 3


@declare
@model_argument
@data_argument
@output_options("the scores")
@click.option(
    "--threshold",
    type=float,
    metavar="X",
    help="Rows with a higher error are outliers [the model's].",
)
@click.option(
    "--contamination",
    type=float,
    metavar="SHARE",
    help="Set the threshold that this share of the held-out training rows exceeds.",
)
@click.option(
    "--contributions",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=COLUMNS_NAMED,
    metavar="[N]",
    help="Add each column's share of the error; in a table the N largest, by name [3].",
)
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    threshold: float | None,
    contamination: float | None,
    contributions: int | None,
    force: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Write each row's error to /scores/error: the larger, the less it is like the training data.

    The error is the mean over columns of the squared difference between a row and its
    reconstruction, in scaled units; for a model trained with outlier_score=knn it is the distance
    to training rows. With a threshold, given here or stored in a model trained with contamination,
    /scores/outlier says which rows are outliers, and /scores/p_value which share of the rows held
    out in training has an error at least as large. The output is HDF5, or a table if its name ends
    in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae score model.h5 today.csv -o scores.csv --contributions
    """
    from gpuae.cli.rows import Job, write_rows
    from gpuae.outliers import chosen_threshold
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.kinds.features import scores_output

    check_output(output, force)
    job = Job.open(model_path, data, output, reading, memory=machine.memory, row_bytes=lambda _: 8)
    level = chosen_threshold(job.model, threshold, contamination)
    report = _report(job, level, contributions, output)
    given = {"threshold": threshold, "contamination": contamination, "contributions": contributions}
    told: dict[str, Any] = {name: own for name, own in given.items() if own is not None}
    rows = len(job.x)
    outliers: list[int] = []
    write_rows(
        job,
        scores_output(
            output,
            rows,
            job.dataset.metadata,
            force=force,
            attributes=job.attributes("score", machine.device, **told),
            dtype=None if report.plain else report.dtype,
        ),
        output,
        lambda sink: _compute(report, job, sink, outliers, machine),
        f"{rows} scores",
    )
    if level is not None:
        click.echo(f"{sum(outliers)} of {rows} rows are outliers: their error is above {level:.6g}")


def _report(job: Job, level: float | None, contributions: int | None, output: Path) -> Report:
    from gpuae.outliers import Report, table_names
    from gpuae.storage.outputs.endings import is_table

    shares = contributions is not None
    table = is_table(output)
    if contributions not in (None, COLUMNS_NAMED) and not table:
        say("note: HDF5 holds the shares of all columns, whatever the N of --contributions")
    names = table_names(job.model, job.dataset.feature_names) if shares else ()
    return Report(job.model, level, shares, contributions if table else None, names)


def _compute(report: Report, job: Job, sink: Sink, outliers: list[int], machine: Machine) -> None:
    """Compute scores, with what a report says of them, and count the outliers."""
    from gpuae.cli.rows import note
    from gpuae.encoding import score
    from gpuae.outliers import judge

    if report.plain:
        score(job.model, job.x, sink, machine=machine, note=note)
        return

    def counted(start: int, block: NDArray[Any]) -> None:
        if report.threshold is not None:
            outliers.append(int(block["outlier"].sum()))
        sink(start, block)

    judge(report, job.x, counted, machine=machine, note=note)
