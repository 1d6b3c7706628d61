"""gpuae demo: the main job once, with what came out in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import PATH, declare, device_option, force_option, say

if TYPE_CHECKING:
    from gpuae.demonstration import Demonstration


@declare
@click.option(
    "--folder", type=PATH, default="gpuae-demo", show_default=True, help="Folder for the files."
)
@force_option
@device_option
def command(folder: Path, force: bool, device: str) -> None:
    """Fit, encode and evaluate on 1,797 handwritten digits, and classify their codes.

    \b
    Example:
      gpuae demo --folder /tmp/digits
    """
    from gpuae.demonstration import Files, demonstrate

    Files.within(folder).check(force=force)
    say("Training on handwritten digits; the first run also compiles for this CPU, about 15 s.")
    click.echo("\n".join(_story(demonstrate(folder, force=force, device=device))))


def _story(shown: Demonstration) -> list[str]:
    figures, files = shown.evaluation, shown.files
    return [
        f"Trained on {shown.train_rows} digits of 8×8 pixels in {shown.seconds:.1f} s; "
        f"tested on {figures.rows} others.",
        f"Each digit became {figures.code_size} numbers instead of {figures.columns}:",
        "",
        "                              autoencoder   comparison",
        f"  reconstruction error (MSE)  {figures.mse:11.2f}   {figures.pca_mse:.2f} with PCA, "
        f"also {figures.code_size} numbers",
        f"  explained variance          {figures.explained_variance:11.1%}   "
        f"{figures.pca_explained_variance:.1%} with PCA",
        f"  a classifier's accuracy     {shown.code_accuracy:11.1%}   "
        f"{shown.raw_accuracy:.1%} on the raw pixels",
        "",
        f"Both learnt from the {shown.train_rows} training digits and had never seen the others.",
        f"Files: {', '.join(str(path) for path in files.all())}",
        "",
        "Try next:",
        f"  gpuae inspect {files.model}",
        f"  gpuae score {files.model} {files.test} -o {files.model.parent / 'scores.h5'}",
        "  gpuae fit YOUR-DATA.csv -o model.h5 --hidden 32      (or .npy, .npz, .h5, idx)",
    ]
