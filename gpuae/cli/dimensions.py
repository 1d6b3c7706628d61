"""gpuae dimensions: how many code units do these data need?"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import data_argument, declare, json_option, print_json, say, trust_options
from gpuae.cli.columns import column_options
from gpuae.cli.settings import read_settings, setting_options

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.dimensions import Dimensions, Size
    from gpuae.importers import ReadOptions

VARIED = ("hidden", "validation", "trim")
"""Settings of a preset that do not count."""
HEAD = "code size  autoencoder     PCA  seconds"


@declare
@data_argument
@click.option(
    "--max",
    "most",
    type=click.IntRange(min=1),
    metavar="K",
    help="Largest code size to try [64, or the number of columns or rows].",
)
@setting_options
@column_options
@json_option
@trust_options
def command(
    data: str,
    most: int | None,
    config_path: Path | None,
    preset: str | None,
    as_json: bool,
    reading: ReadOptions,
    **settings: str | None,
) -> None:
    """Estimate how many code units the rows of DATA need, compared with PCA of the same size.

    An autoencoder is trained with a code of 1, 2, 4, 8, … units, and of some sizes around the best
    one, and the variance of unseen rows that each explains is printed. The suggestion is the
    smallest code that, within one standard error, explains most beyond what the same number of
    unrelated columns would explain. Ctrl-C ends the search; the suggestion is then based on the
    sizes that were tried.

    \b
    Example:
      gpuae dimensions digits --max 32
    """
    config = read_settings(config_path, settings, preset, without=VARIED)
    tell = say if as_json else click.echo
    found = search(data, most, config, reading, tell)
    if found is not None:
        if as_json:
            print_json(asdict(found) | {"reason": str(found)})
        else:
            click.echo(f"\n{found}\n{found.pca_sentence()}")
    if found is None or found.interrupted:
        raise KeyboardInterrupt


def search(
    data: str, most: int | None, config: Config, reading: ReadOptions, tell: Any
) -> Dimensions | None:
    """Open the rows and try codes, telling how each does."""
    from gpuae.cli.learning_rows import check_device, open_rows
    from gpuae.cli.rows import note
    from gpuae.dimensions import check_settings, find_dimensions
    from gpuae.errors import InputError
    from gpuae.storage.rows.mapped_copy import mapped_copy

    check_settings(config)
    check_device(config)
    reading = replace(reading, missing=config.missing == "mean", wide=config.dtype == "float64")
    dataset = open_rows(data, reading, config)
    if dataset.categorical:
        raise InputError(
            f"{dataset.source}: has columns of categories, which have no dimensions as numbers "
            "have; choose the numbers by --columns"
        )
    told: list[Size] = []

    def tell_size(size: Size) -> None:
        if not told:
            tell(HEAD)
        told.append(size)
        tell(_line(size))

    with mapped_copy(dataset.x) as x:
        return find_dimensions(
            x, config, most, tell=tell_size, note=note, image_shape=dataset.image_shape
        )


def _line(size: Size) -> str:
    from gpuae.words import percent

    own, pca = percent(size.explained_variance), percent(size.pca_explained_variance)
    return f"{size.code_size:>9}  {own:>11}  {pca:>6}  {size.seconds:>7.1f}"
