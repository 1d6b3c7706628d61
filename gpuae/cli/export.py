"""gpuae export: a model for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from gpuae.cli.base import declare, model_argument, output_options, say, tell, trust_options


@declare
@model_argument
@output_options("the model; the ending says the format")
@click.option(
    "--outputs",
    metavar="NAMES",
    help="Of ONNX: which of code, reconstruction, score, outlier and probabilities, with commas "
    "between them [default: all that the model has].",
)
@click.option(
    "--input-type",
    type=click.Choice(["float32", "float64"]),
    help="Of ONNX: type of the rows it takes [default: float32 where that holds them].",
)
@click.option("--card", is_flag=True, help="Write a model card, README.md, beside it too.")
@trust_options
def command(
    model_path: Path,
    output: Path,
    force: bool,
    outputs: str | None,
    input_type: str | None,
    card: bool,
) -> None:
    """Write MODEL for other programs: .onnx, .pt, .safetensors or .npz.

    Of .pt, and of .safetensors that is no sparse autoencoder, the lines of Python that make the
    network in PyTorch and load it are printed.

    The file takes rows as they are: scaling, whitening and the filling of missing values are in it.
    What it computes is compared with gpuae's own output before it is written.

    \b
    Example:
      gpuae export model.h5 -o model.onnx
      gpuae export model.h5 -o encoder.onnx --outputs code
      gpuae export model.h5 -o model.pt > network.py
    """
    from gpuae.exchange.exporting import export
    from gpuae.model.model import Model
    from gpuae.storage.files.input_file import InputFile, check_unchanged
    from gpuae.storage.files.output_file import check_distinct

    check_distinct(output, model_path)
    file = InputFile(model_path)
    model = Model.load(file)
    check_unchanged(file)
    names = None if outputs is None else [name.strip() for name in outputs.split(",")]
    done = export(model, output, outputs=names, input_type=input_type, card=card, force=force)
    for note in done.notes:
        say(note)
    say(str(done))
    if done.code is not None:
        tell(done.code)
