"""gpuae compress: rows in, a small file out that they can nearly be made from again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import (
    data_argument,
    declare,
    json_option,
    machine_options,
    model_argument,
    output_options,
    print_json,
    trust_options,
)
from gpuae.cli.columns import using_column_options
from gpuae.cli.tables import print_table

if TYPE_CHECKING:
    from gpuae.cli.rows import Job
    from gpuae.compression.figures import Errors, Sizes
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.storage.outputs.columns_output import ColumnsOutput

DEFAULT_BITS = 6.0


@declare
@model_argument
@data_argument
@output_options("the compressed rows")
@click.option(
    "--bits",
    type=float,
    help=f"Approximate bits for each code value that varies, 1 to 16 [default: {DEFAULT_BITS:g}].",
)
@click.option(
    "--added-error",
    type=float,
    metavar="SHARE",
    help="Use the fewest bits that add at most this share, such as 0.01, to the squared error.",
)
@json_option
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    output: Path,
    bits: float | None,
    added_error: float | None,
    force: bool,
    as_json: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Write the rounded codes of DATA and the decoder of MODEL into one small file.

    gpuae decompress turns the file back into rows, without the model. The rows do not come back
    exactly: sizes, and errors in the data's own units, are printed.

    \b
    Example:
      gpuae compress model.h5 rows.h5 -o small.h5
    """
    from gpuae.cli.rows import Job
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.outputs.endings import check_hdf5_name

    _check_wanted(bits, added_error)
    check_output(output, force)
    check_hdf5_name(output, "a compressed data set")
    job = Job.open(model_path, data, output, reading, memory=machine.memory)
    sizes, errors = _compressed(job, output, bits, added_error, machine, force=force)
    if as_json:
        print_json(_plain(sizes, errors))
    else:
        print_table(f"wrote {output}", _lines(sizes, errors))


def _check_wanted(bits: float | None, added_error: float | None) -> None:
    from gpuae.compression.steps import HIGHEST_BITS, LOWEST_BITS
    from gpuae.errors import InputError

    if bits is not None and added_error is not None:
        raise InputError("--bits and --added-error contradict each other; leave one of them out")
    if bits is not None and not LOWEST_BITS <= bits <= HIGHEST_BITS:
        raise InputError(f"--bits {bits:g}: give a number from {LOWEST_BITS:g} to {HIGHEST_BITS:g}")
    if added_error is not None and not 0 < added_error < float("inf"):
        raise InputError(f"--added-error {added_error:g}: give a number above 0, such as 0.01")


def _compressed(
    job: Job,
    output: Path,
    bits: float | None,
    added_error: float | None,
    machine: Machine,
    *,
    force: bool,
) -> tuple[Sizes, Errors]:
    """Choose the steps, write the file and measure it."""
    from gpuae.compression.files import output_for
    from gpuae.compression.steps import Sample, Steps, bits_for_error

    sample = Sample.of(job.model, job.x, machine=machine)
    steps = Steps.of(job.model, sample, machine=machine)
    options: dict[str, Any] = {"bits": DEFAULT_BITS if bits is None else bits}
    if added_error is not None:
        bits = bits_for_error(job.model, sample, steps, added_error, machine=machine)
        options = {"added_error": added_error}
    grid = steps.grid(DEFAULT_BITS if bits is None else bits)
    out = output_for(
        output,
        job.model,
        job.x,
        grid,
        steps.level_type(grid),
        metadata=job.dataset.metadata.of_rows,
        force=force,
        attributes=job.attributes("compress", machine.device, **options).complete(),
    )
    errors = _write(job, out, grid, machine)
    return _sizes(job, output, out), errors


def _write(job: Job, out: ColumnsOutput, grid: Any, machine: Machine) -> Errors:
    """Fill the file, showing how far it is."""
    from gpuae.cli.progress import counting
    from gpuae.cli.rows import note
    from gpuae.compression.files import write_codes
    from gpuae.storage.rows.pages import is_in_memory

    with out, counting(out.shape[0]) as advance:
        errors = write_codes(
            job.model, job.x, grid, out, advance=advance, note=note, machine=machine
        )
        if not is_in_memory(job.x):
            job.check_unchanged()
    return errors


def _sizes(job: Job, output: Path, out: ColumnsOutput) -> Sizes:
    from gpuae.compression.figures import Sizes

    file = job.dataset.file
    rows, columns = job.x.shape
    return Sizes(
        rows=rows,
        columns=columns,
        code_size=out.shape[1],
        input_file=None if file is None else file.size,
        input_rows=rows * columns * job.x.dtype.itemsize,
        input_float32=rows * columns * 4,
        codes=out.stored,
        model=sum(values.nbytes for _, values in job.model.decoder_alone().arrays()),
        file=output.stat().st_size,
    )


def _plain(sizes: Sizes, errors: Errors) -> dict[str, Any]:
    shares = {"bits_per_value": sizes.bits_per_value, "bits_per_cell": sizes.bits_per_cell}
    return {**asdict(sizes), **shares, **asdict(errors)}


def _lines(sizes: Sizes, errors: Errors) -> list[tuple[str, str]]:
    """Word the figures for a person."""
    from gpuae.words import percent

    none = "the rows are all the same"
    explained = errors.explained_variance
    added = errors.added_by_rounding
    stored = "built in" if sizes.input_file is None else _bytes(sizes.input_file)
    lines = [
        ("rows", f"{sizes.rows:,} of {sizes.columns:,} columns"),
        ("input as it is stored", stored),
        ("its rows in their type", _bytes(sizes.input_rows)),
        ("its rows as float32", _bytes(sizes.input_float32)),
        ("output", f"{_bytes(sizes.file)}, {sizes.bits_per_cell:.3g} bits for each cell of a row"),
        ("  codes", f"{_bytes(sizes.codes)}, {sizes.bits_per_value:.3g} bits for each value"),
        ("  decoder and scaling", _bytes(sizes.model)),
        ("  labels and the rest", _bytes(sizes.file - sizes.codes - sizes.model)),
        ("root mean squared error", f"{errors.rmse:.6g} in the data's own units"),
        ("explained variance", none if explained is None else percent(explained)),
    ]
    if errors.psnr is not None:
        lines.append(("PSNR", f"{errors.psnr:.2f} dB"))
    if added is not None:
        share = f"{round(added, 4) + 0.0:.2%} of" if added < 1 else f"{added:.3g} times"
        lines.append(("error added by rounding", f"{share} the squared error without it"))
    return lines


def _bytes(count: int) -> str:
    return f"{count:,} bytes"
