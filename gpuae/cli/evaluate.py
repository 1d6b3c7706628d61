"""gpuae evaluate: how good is this model on these data?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gpuae.cli.base import (
    data_argument,
    declare,
    json_option,
    machine_options,
    model_argument,
    print_json,
    print_table,
    trust_option,
)
from gpuae.cli.columns import column_options

if TYPE_CHECKING:
    from gpuae.evaluation import Evaluation
    from gpuae.importers import ReadOptions


@declare
@model_argument
@data_argument
@json_option
@column_options
@machine_options
@trust_option
def command(
    model_path: Path,
    data: str,
    as_json: bool,
    device: str,
    threads: int | None,
    memory: int | None,
    reading: ReadOptions,
) -> None:
    """Measure MODEL on the rows of DATA, beside PCA of the same DATA at the same code size.

    The loss is in scaled units; errors and variance are in the data's own.

    \b
    Example:
      gpuae evaluate model.h5 test.csv --json
    """
    from gpuae.cli.rows import Job
    from gpuae.evaluation import evaluate

    job = Job.open(model_path, data, reading=reading, memory=memory)
    figures = evaluate(job.model, job.x, device=device, threads=threads, memory=memory)
    if as_json:
        print_json(asdict(figures))
    else:
        size = f"{figures.rows} rows of {figures.columns} columns"
        print_table(f"{model_path} on {job.dataset.source} ({size})", table_rows(figures))


def table_rows(figures: Evaluation) -> list[tuple[str, str]]:
    """Word the figures for a person."""
    k = figures.code_size
    return [
        ("loss", f"{figures.loss:.6g}"),
        ("mean squared error", f"{figures.mse:.6g}"),
        (f"  of PCA with {k} components", f"{figures.pca_mse:.6g}"),
        ("explained variance", f"{figures.explained_variance:.2%}"),
        (f"  of PCA with {k} components", f"{figures.pca_explained_variance:.2%}"),
        ("mean activation of the code", f"{figures.mean_activation:.4g}"),
        ("exact zeros in the code", f"{figures.zero_fraction:.2%}"),
        ("dead units", f"{figures.dead_units} of {k}"),
        ("active units a row", f"{figures.active_per_row:.1f} of {k}"),
    ]
