"""gpuae decompress: rows out of a compressed file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import PATH, declare, machine_options, output_options, tell, trust_options

if TYPE_CHECKING:
    from gpuae.machine import Machine
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.kinds.rows_output import Output


@declare
@click.argument("compressed", metavar="FILE", type=PATH)
@output_options("the rows")
@machine_options
@trust_options
def command(
    compressed: Path,
    output: Path,
    force: bool,
    machine: Machine,
) -> None:
    """Turn FILE, which compress wrote, back into rows in the data's own units, without a model.

    Integer data come back as the nearest integers of the same type. The output is HDF5, or a
    table if its name ends in .csv, .tsv or .parquet.

    \b
    Example:
      gpuae decompress small.h5 -o rows.h5
    """
    from gpuae.cli.progress import counting
    from gpuae.compression.files import Compressed
    from gpuae.storage.files.input_file import InputFile, check_unchanged
    from gpuae.storage.files.output_file import check_distinct, check_output, check_room
    from gpuae.storage.outputs.endings import is_table

    check_output(output, force)
    is_table(output)  # refuses endings that are not written
    file = InputFile(compressed)
    opened = Compressed(file)
    check_distinct(output, compressed)
    rows, columns = opened.shape
    check_room(output, rows * columns * opened.row_type.itemsize)
    made = _attributes(file, machine.device)
    with _output(opened, output, made, force=force) as out, counting(rows) as advance:

        def sink(start: int, block: Any) -> None:
            out.write(start, block)
            advance(len(block))

        opened.rows(sink, machine)
        check_unchanged(file)
    tell(f"wrote {rows} rows of {columns} {opened.row_type} columns to {output}")


def _output(opened: Any, path: Path, attributes: dict[str, Any], *, force: bool) -> Output:
    from gpuae.storage.kinds.features import dataset_output

    model = opened.model
    metadata = replace(
        opened.metadata,
        feature_names=model.feature_names,
        image_shape=model.image_shape,
        categorical=model.categorical,
    )
    shape, dtype = opened.shape, opened.row_type
    return dataset_output(path, shape, dtype, metadata, force=force, attributes=attributes)


def _attributes(file: InputFile, device: str) -> dict[str, Any]:
    """Return which file the rows come from, which must still be what was opened."""
    from gpuae.backends import computed_by, resolve_device
    from gpuae.storage.files.input_file import check_unchanged
    from gpuae.storage.provenance import lineage

    source = lineage.source_file("data", file, str(file))
    check_unchanged(file)
    return {**computed_by(resolve_device(device)), **lineage.attributes("decompress", [source])}
