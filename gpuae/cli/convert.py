"""gpuae convert: foreign formats in, a gpuae data set out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import PATH, declare, files_argument, force_option, say, tell, trust_options
from gpuae.cli.columns import learning_column_options
from gpuae.cli.patches import image_options, patch_options
from gpuae.cli.sound import sound_options

if TYPE_CHECKING:
    from gpuae.importers import ImageOptions, LabelsFile, PatchOptions, ReadOptions, SoundOptions
    from gpuae.storage.rows.dataset import Dataset

FLAT = (1 / 80) ** 2
"""Variance of a patch, of whole brightness 1, below which its contrast is grain for the most part:
10 of pixels up to 255 (A. Coates, A. Ng, H. Lee, "An analysis of single-layer networks", 2011)."""


@declare
@files_argument("source")
@click.argument("output", metavar="OUT", type=PATH)
@click.option(
    "--labels", type=PATH, metavar="FILE", help="File with one label for each row (idx, npy, csv)."
)
@click.option(
    "--missing",
    type=click.Choice(["refuse", "keep"]),
    default="refuse",
    show_default=True,
    help="Missing values: keep them as NaN, for fit --missing mean.",
)
@click.option(
    "--scale-rows",
    type=click.Choice(["none", "center", "standard"]),
    default="none",
    show_default=True,
    help="center: subtract the mean of each row; standard: also divide by its standard "
    "deviation (SNV for spectra, equal contrast for patches).",
)
@image_options
@patch_options
@sound_options
@learning_column_options
@force_option
@trust_options
def command(
    source: str,
    output: Path,
    labels: Path | None,
    missing: str,
    scale_rows: str,
    force: bool,
    reading: ReadOptions,
    patches: PatchOptions | None,
    images: ImageOptions | None,
    sound: SoundOptions | None,
) -> None:
    """Turn SOURCE, a table, arrays, images or recordings, into a gpuae data set.

    Numbers keep their type. Arrays of three or more dimensions are flattened into rows, and sparse
    matrices (CSR: h5ad, SciPy's npz) are made dense. If OUT ends in .csv, .tsv or .parquet, it is
    a table.

    \b
    Example:
      gpuae convert train-images-idx3-ubyte.gz mnist.h5 --labels train-labels-idx1-ubyte.gz
      gpuae convert photographs images.h5 --size 32x32 --grey
      gpuae convert photo.jpg patches.h5 --patches 8x8 --count 10000 --grey
      gpuae convert recordings spectra.h5 --sound
      gpuae convert spectra.csv snv.h5 --scale-rows standard
    """
    from dataclasses import replace

    from gpuae.importers import LabelsFile, files_of, open_data, path_of
    from gpuae.storage.files.input_file import check_unchanged
    from gpuae.storage.files.output_file import check_distinct, check_output, check_room
    from gpuae.storage.kinds.dataset_file import write_dataset
    from gpuae.storage.outputs.endings import is_table
    from gpuae.storage.rows.row_blocks import check_finite

    check_output(output, force)
    kept = missing == "keep"
    reading = replace(reading, missing=kept, patches=patches, images=images, sound=sound)
    files = (*files_of(source, reading), labels and path_of(str(labels)))
    own_labels = LabelsFile(labels) if labels else None
    dataset = open_data(source, own_labels, options=reading)
    inputs = (dataset.file, own_labels.file if own_labels else None)
    dataset = _scaled(dataset, scale_rows, patches)
    check_distinct(output, *files)
    is_table(output)  # refuses endings that are not written
    check_room(output, len(dataset.x) * dataset.x.shape[1] * dataset.x.dtype.itemsize)
    check_finite(dataset.x, dataset.source, missing=kept)
    for note in dataset.notes:
        say(f"note: {note}")
    said = {} if scale_rows == "none" else {"scale_rows": scale_rows}
    made = _provenance(dataset, own_labels, reading, said)
    check_unchanged(*inputs)
    write_dataset(output, dataset, force=force, attributes=made, inputs=inputs)
    rows, columns = dataset.x.shape
    labelled = " with labels" if dataset.y is not None else ""
    tell(f"wrote {rows} rows of {columns} {dataset.x.dtype} columns{labelled} to {output}")


def _scaled(dataset: Dataset, scale_rows: str, patches: PatchOptions | None) -> Dataset:
    """Return rows each scaled by itself, if that is asked for."""
    from dataclasses import replace

    import numpy as np

    from gpuae.storage.rows.views import ScaledRows

    if scale_rows == "none":
        return dataset
    floor = FLAT * np.iinfo(dataset.x.dtype).max ** 2 if patches else 0.0
    rows = ScaledRows(dataset.x, deviation=scale_rows == "standard", floor=floor)
    return replace(dataset, x=rows)


def _provenance(
    dataset: Dataset, labels: LabelsFile | None, reading: ReadOptions, said: dict[str, str]
) -> dict[str, str | int | float]:
    from gpuae.storage.provenance import lineage

    sources = [lineage.source_file("data", dataset.file, dataset.source)]
    if labels is not None:
        sources.append(lineage.source_file("labels", labels.file, str(labels.spec)))
    return lineage.attributes("convert", sources, reading.requested() | said)
