"""gpuae sweep: many settings tried on the same rows, and the best model of all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import (
    PATH,
    data_argument,
    declare,
    json_option,
    print_json,
    say,
    tell,
    trust_options,
)
from gpuae.cli.columns import learning_column_options
from gpuae.cli.foretold import dry_run_option
from gpuae.cli.settings import read_settings, setting_options
from gpuae.cli.sweep_lines import lines
from gpuae.cli.sweep_task import Asked, Stopped, Task
from gpuae.cli.time_limit import stop_here
from gpuae.cli.weights import weight_options

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.importers import ReadOptions
    from gpuae.sweeps.axes import Axis
    from gpuae.sweeps.results import Table
    from gpuae.sweeps.runs import Run
    from gpuae.training.deadline import Deadline

GO_ON = "to go on from here, give the same command again"


@declare
@data_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=PATH,
    metavar="FOLDER",
    help="Folder of the runs and their results; the same command again goes on in it.",
)
@click.option(
    "--random",
    "draws",
    type=click.IntRange(min=1),
    metavar="N",
    help="Draw so many runs, by --seed, instead of trying all combinations.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Runs at once [as many as pay on this machine].",
)
@dry_run_option
@setting_options
@learning_column_options
@weight_options
@json_option
@trust_options
def command(
    data: str,
    weights_path: Path | None,
    output: Path,
    draws: int | None,
    jobs: int | None,
    dry_run: bool,
    config_path: Path | None,
    preset: str | None,
    as_json: bool,
    reading: ReadOptions,
    **settings: str | None,
) -> None:
    """Train on the rows of DATA with many settings, and compare the models on unseen rows.

    Every setting may have several values, with commas between them; all combinations are tried.
    The widths of one network are joined by hyphens: --hidden 128-32,64-8. With --random N so many
    combinations are drawn, also from ranges such as --learning-rate 0.0005..0.01. Ctrl-C stops the
    runs, and the same command goes on with them.

    \b
    Example:
      gpuae sweep rows.csv -o sweep --hidden 8,16,32 --weight-decay 0,1e-4
    """
    deadline = _deadline(settings.pop("max_time"))
    asked = _asked(settings, draws, config_path, preset)
    task = Task.open(asked, data, output, reading, weights_path)
    if dry_run:
        task.foretell(jobs)
        return
    table, stopped = task.run(jobs, deadline)
    _end(table, output, as_json=as_json)
    if stopped is Stopped.INTERRUPTED:
        say(GO_ON)
        raise KeyboardInterrupt
    if stopped is Stopped.OUT_OF_TIME:
        raise stop_here(GO_ON)
    if table.best is None:
        raise click.exceptions.Exit(1)


def _deadline(max_time: str | None) -> Deadline:
    """Return when the whole sweep stops; no run has a limit of its own."""
    from gpuae.config import Config
    from gpuae.training.deadline import Deadline

    return Deadline.of(Config.parse({"max_time": max_time}, "options"))


def _asked(
    settings: dict[str, str | None],
    draws: int | None,
    config_path: Path | None,
    preset: str | None,
) -> Asked:
    """Put the runs together; at least one of them must make sense."""
    from gpuae.errors import ConfigError
    from gpuae.sweeps.axes import split_settings

    given = {name: value for name, value in settings.items() if value is not None}
    fixed, axes = split_settings(given)
    if not axes:
        raise ConfigError(
            "there is nothing to compare: give a setting several values, such as --hidden 8,16,32"
        )

    def configure(own: Any) -> Config:
        return read_settings(config_path, {**fixed, **own}, preset)

    runs = _runs(axes, draws, fixed.get("seed", "0"), configure)
    if all(run.config is None for run in runs):
        raise ConfigError(runs[0].problem)
    _check(runs)
    return Asked(runs, tuple(axis.name for axis in axes), preset)


def _runs(axes: Sequence[Axis], draws: int | None, seed: str, configure: Any) -> tuple[Run, ...]:
    from gpuae.config import Config
    from gpuae.errors import ConfigError
    from gpuae.sweeps.runs import draw, grid

    if draws is None:
        return grid(axes, configure)
    if any(axis.name == "seed" for axis in axes):
        raise ConfigError("seed: decides what --random draws; give one value")
    runs = draw(axes, draws, Config.parse({"seed": seed}, "options").seed, configure)
    if len(runs) < draws:
        say(f"note: there are only {len(runs)} different runs to draw")
    return runs


def _check(runs: Sequence[Run]) -> None:
    """Refuse settings with which there is nothing to compare runs by."""
    from gpuae.errors import ConfigError

    if any(run.config is not None and run.config.validation == 0 for run in runs):
        raise ConfigError("validation: runs are compared on unseen rows; give a share above 0")


def _end(table: Table, output: Path, *, as_json: bool) -> None:
    """Print the results."""
    from gpuae.sweeps.tables import BEST, CSV

    if as_json:
        print_json([result.model_dump(mode="json") for result in table.results])
        return
    for line in lines(table, shutil.get_terminal_size().columns):
        tell(line)
    if table.best is not None:
        tell(f"wrote {output / CSV}; the best model is {output / BEST}")
