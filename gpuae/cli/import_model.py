"""gpuae import: a model of another program."""

from __future__ import annotations

from pathlib import Path

import click

from gpuae.cli.base import PATH, Command, output_options, tell, trust_options

_OF_STATE_DICTS = "where the file does not say"


@click.command(name="import", cls=Command)
@click.argument("file", metavar="FILE", type=PATH)
@output_options("the model")
@click.option("--activation", metavar="NAME", help=f"Of all hidden layers, {_OF_STATE_DICTS}.")
@click.option("--code-activation", metavar="NAME", help="Of the code [default: as --activation].")
@click.option("--output-activation", metavar="NAME", help=f"Of the output, {_OF_STATE_DICTS}.")
@click.option(
    "--k",
    type=click.IntRange(min=1),
    help=f"How many of the largest units of a code stay, {_OF_STATE_DICTS} [default: all].",
)
@trust_options
def command(
    file: Path,
    output: Path,
    force: bool,
    activation: str | None,
    code_activation: str | None,
    output_activation: str | None,
    k: int | None,
) -> None:
    """Make a model of FILE: a dense autoencoder that Keras or PyTorch saved.

    FILE is a whole model of Keras (.keras or .h5), a state dict of PyTorch (.pt or .pth), or
    safetensors. Nothing that it says is executed.

    \b
    Example:
      gpuae import model.keras -o model.h5
      gpuae import model.pt -o model.h5 --activation relu --output-activation sigmoid
    """
    from gpuae.exchange.chain import Named
    from gpuae.exchange.importing import imported
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.files.output_file import check_distinct, check_output
    from gpuae.storage.outputs.endings import check_hdf5_name

    check_hdf5_name(output, "a model")
    check_output(output, force)
    check_distinct(output, file)
    named = Named(activation, code_activation, output_activation, k)
    model = imported(InputFile(file), named)
    model.save(output, force=force)
    layers = model.network.layers
    widths = "-".join(str(n) for n in (model.network.columns, *(own.n_out for own in layers)))
    tell(f"wrote {widths} ({', '.join(own.activation for own in layers)}) to {output}")
