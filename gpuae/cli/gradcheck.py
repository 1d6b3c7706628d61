"""gpuae gradcheck: is this configuration's gradient right?"""

from __future__ import annotations

from pathlib import Path

import click

from gpuae.cli.base import declare, json_option, print_json
from gpuae.cli.settings import read_settings, setting_options
from gpuae.cli.tables import print_table


@declare
@setting_options
@click.option("--rows", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--columns", type=click.IntRange(min=2), default=6, show_default=True)
@click.option("--weighted", is_flag=True, help="Give the rows random weights.")
@json_option
def command(
    config_path: Path | None,
    preset: str | None,
    rows: int,
    columns: int,
    weighted: bool,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Compare a configuration's gradient with central differences of its objective, in float64.

    Each weight and bias is checked along one direction of random ±1, on a few random rows in
    [0, 1], on the chosen device. The check fails if an error is above 1e-6.

    \b
    Example:
      gpuae gradcheck --hidden 4,3 --activation tanh --sparsity kl --decoder tied
    """
    from gpuae.training.gradcheck import LIMIT, check_gradient

    config = read_settings(config_path, settings, preset)
    checks = check_gradient(config, rows, columns, weighted=weighted)
    largest = max(check.error for check in checks)
    if as_json:
        arrays = {check.name: check.error for check in checks}
        print_json({"largest_relative_error": largest, "limit": LIMIT, "arrays": arrays})
    else:
        figures = [(f"{c.name} {c.shape}", f"{c.error:.2e}") for c in checks]
        print_table("relative error of each array of the gradient", figures)
        verdict = "right" if largest <= LIMIT else "WRONG"
        click.echo(f"largest relative error {largest:.2e}: {verdict} (limit {LIMIT:g})")
    if not largest <= LIMIT:
        raise click.exceptions.Exit(1)
