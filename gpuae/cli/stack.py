"""gpuae stack: models that were trained apart, one on the codes of the other, as one."""

from __future__ import annotations

from pathlib import Path

import click

from gpuae.cli.base import PATH, declare, output_options, tell


@declare
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=PATH)
@output_options("the stack")
def command(models: tuple[Path, ...], output: Path, force: bool) -> None:
    """Join MODELs, each trained on the codes of the one before, into one model.

    The first model is the one that takes the data. The stack gives the codes that the models give
    one after the other; the preprocessing of the upper models becomes part of the weights.
    `gpuae fit --init-from` trains the whole stack further.

    \b
    Example:
      gpuae stack a.h5 b.h5 -o whole.h5
    """
    from dataclasses import replace

    from gpuae.model.model import Model
    from gpuae.model.stack import stack
    from gpuae.storage.files.input_file import InputFile, check_unchanged
    from gpuae.storage.files.output_file import check_distinct, check_output
    from gpuae.storage.outputs.endings import check_hdf5_name
    from gpuae.storage.provenance import lineage

    check_hdf5_name(output, "a model")
    check_output(output, force)
    check_distinct(output, *models)
    files = [InputFile(path) for path in models]
    joined = stack([Model.load(file) for file in files])
    sources = [
        lineage.source_file(f"model_{place}", file, str(file))
        for place, file in enumerate(files, start=1)
    ]
    check_unchanged(*files)
    made = lineage.attributes("stack", sources)
    replace(joined, attributes={**joined.attributes, **made}).save(output, force=force)
    network = joined.network
    widths = "-".join(str(n) for n in (network.columns, *(own.n_out for own in network.layers)))
    tell(f"wrote {widths} of {len(models)} models to {output}")
