"""gpuae sweep: many settings tried on the same rows, and the best model of all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
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
from gpuae.cli.settings import read_settings, setting_options
from gpuae.cli.sweep_lines import lines, told
from gpuae.cli.time_limit import stop_here

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.importers import ReadOptions
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.sweeps.axes import Axis
    from gpuae.sweeps.crew import Watcher
    from gpuae.sweeps.folder import Folder
    from gpuae.sweeps.results import Result, Table
    from gpuae.sweeps.runs import Run
    from gpuae.training.deadline import Deadline

PICTURE = "results.png"
GO_ON = "to go on from here, give the same command again"
LINE_SECONDS = 10.0
"""Between two lines that say how far runs are."""


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
@setting_options
@learning_column_options
@json_option
@trust_options
def command(
    data: str,
    output: Path,
    draws: int | None,
    jobs: int | None,
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
    asked = _Asked.of(settings, draws, config_path, preset)
    task = _Task.open(asked, data, output, reading)
    table, stopped = task.run(jobs, deadline)
    _end(table, output, as_json=as_json)
    if stopped is Stopped.INTERRUPTED:
        say(GO_ON)
        raise KeyboardInterrupt
    if stopped is Stopped.OUT_OF_TIME:
        raise stop_here(GO_ON)
    if table.best is None:
        raise click.exceptions.Exit(1)


class Stopped(Enum):
    """What ended a sweep before all runs were made."""

    NOT = "not at all"
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out of time"


def _deadline(max_time: str | None) -> Deadline:
    """Return when the whole sweep stops; no run has a limit of its own."""
    from gpuae.config import Config
    from gpuae.training.deadline import Deadline

    return Deadline.of(Config.parse({"max_time": max_time}, "options"))


@dataclass(frozen=True)
class _Asked:
    """What is to be tried."""

    runs: tuple[Run, ...]
    varied: tuple[str, ...]
    preset: str | None

    @classmethod
    def of(
        cls,
        settings: dict[str, str | None],
        draws: int | None,
        config_path: Path | None,
        preset: str | None,
    ) -> _Asked:
        """Put the runs together; at least one of them must make sense."""
        from gpuae.errors import ConfigError
        from gpuae.sweeps.axes import split_settings

        given = {name: value for name, value in settings.items() if value is not None}
        fixed, axes = split_settings(given)
        if not axes:
            raise ConfigError(
                "there is nothing to compare: give a setting several values, such as "
                "--hidden 8,16,32"
            )

        def configure(own: Any) -> Config:
            return read_settings(config_path, {**fixed, **own}, preset)

        runs = _runs(axes, draws, fixed.get("seed", "0"), configure)
        if all(run.config is None for run in runs):
            raise ConfigError(runs[0].problem)
        _check(runs)
        return cls(runs, tuple(axis.name for axis in axes), preset)

    @property
    def first(self) -> Config:
        """The settings of a run that makes sense."""
        return next(run.config for run in self.runs if run.config is not None)

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings that are not varied."""
        stored = self.first.stored()
        return {name: value for name, value in stored.items() if name not in self.varied}


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


@dataclass(frozen=True)
class _Task:
    """What runs are made on, and where."""

    asked: _Asked
    dataset: Dataset
    attributes: dict[str, str | int | float]
    folder: Folder

    @classmethod
    def open(cls, asked: _Asked, data: str, output: Path, reading: ReadOptions) -> _Task:
        """Open the rows, and check that the folder is of this sweep."""
        from gpuae.backends import resolve_device
        from gpuae.cli.fit import open_rows, tell_device
        from gpuae.storage.provenance import lineage
        from gpuae.sweeps.folder import Folder

        configs = [run.config for run in asked.runs if run.config is not None]
        tell_device(asked.first)
        reading = replace(
            reading,
            missing=any(config.missing == "mean" for config in configs),
            wide=any(config.dtype == "float64" for config in configs),
        )
        dataset = open_rows(data, reading, asked.first)
        source = lineage.source_file("data", dataset.file, dataset.source)
        told = {"preset": asked.preset} if asked.preset else {}
        identity = {
            "data": source.sha256 or source.name,
            "options": {"inside": source.inner, **reading.requested()},
            "device": resolve_device(asked.first.device).name,
            "varied": list(asked.varied),
            "settings": asked.fixed,
        }
        folder = Folder(output, identity)
        folder.check()
        attributes = lineage.attributes("fit", [source], {**told, **reading.requested()})
        return cls(asked, dataset, attributes, folder)

    def run(self, jobs: int | None, deadline: Deadline) -> tuple[Table, Stopped]:
        """Make the runs that are not done; say with their table what ended that, if anything."""
        from gpuae.storage.rows.mapped_copy import mapped_copy

        self.folder.make()
        with self.folder.held(), mapped_copy(self.dataset.x) as x:
            self.folder.sign()
            failed, stopped = self._results(x, jobs, deadline)
            table = self._table(failed)
            self._write(table)
        return table, stopped

    def _results(
        self, x: Any, jobs: int | None, deadline: Deadline
    ) -> tuple[list[Result], Stopped]:
        """Make runs; return what has failed, and what ended that before all were made."""
        from gpuae.sweeps.crew import Crew
        from gpuae.sweeps.plan import checked, facts_of
        from gpuae.sweeps.results import Result

        facts = facts_of(x, pixels=self.dataset.image_shape is not None)
        runs = [checked(run, facts) for run in self.asked.runs]
        failed = [Result.failed(run, run.problem) for run in runs if run.config is None]
        todo = [run for run in runs if run.config is not None and self.folder.done(run) is None]
        done = len(runs) - len(failed) - len(todo)
        say(f"{len(runs)} runs" + (f", {done} of them done already" if done else ""))
        progress = _Progress(len(todo), self._table)
        trainer, at_once = self._trainer(x, facts, todo, jobs)
        crew = Crew(
            trainer,
            at_once,
            over=lambda: deadline.left <= 0,
            note=progress.note,
            look=progress.look,
        )
        for result in crew.results(todo):
            progress.tell(result)
            failed += [] if result.is_good else [result]
        if crew.interrupted:
            return failed, Stopped.INTERRUPTED
        missing = progress.done < len(todo)
        return failed, Stopped.OUT_OF_TIME if missing else Stopped.NOT

    def _trainer(self, x: Any, facts: Any, runs: Sequence[Run], jobs: int | None) -> Any:
        """Return who makes runs, and how many at once."""
        from gpuae.backends import resolve_device
        from gpuae.sweeps.plan import Need, choose_crew, completed
        from gpuae.sweeps.training import Rows, Trainer
        from gpuae.training.thread_pool import available_cores

        configs = [run.config for run in runs if run.config is not None]
        needs = [Need.of(completed(config, facts), facts) for config in configs]
        device, cores = resolve_device(self.asked.first.device), self.asked.first.threads
        crew = choose_crew(needs, device, cores or available_cores(), jobs)
        if len(runs) > 1 and crew.at_once > 1:
            each = "1 thread" if crew.threads == 1 else f"{crew.threads} threads"
            say(f"{crew.at_once} at once, with {each} each")
        own = self.dataset
        about = (self.attributes, own.feature_names, own.image_shape, own.file, own.categorical)
        rows = Rows(x, *about)
        debug = bool(click.get_current_context().meta.get("gpuae.debug"))
        return Trainer(rows, self.folder, crew.threads, debug), crew.at_once

    def _table(self, failed: Sequence[Result]) -> Table:
        """Return the results of all runs that are done, and of those that failed now."""
        from gpuae.sweeps.results import Table

        done = list(self.folder.all_done())
        known = [result.settings for result in done]
        others = [result for result in failed if result.settings not in known]
        return Table(self.asked.varied, [*done, *others])

    def _write(self, table: Table) -> None:
        from importlib.util import find_spec

        from gpuae.sweeps.tables import write_results

        write_results(self.folder.path, table)
        for remark in table.remarks(detects=_detects(self.asked.first)):
            say(f"note: {remark}")
        if table.best is None:
            return
        if find_spec("matplotlib") is None:
            say(f"note: {PICTURE} needs matplotlib: pip install 'gpuae[plot]'")
            return
        from gpuae.pictures.sweep import sweep
        from gpuae.plots.figure import save

        save(sweep(table), self.folder.path / PICTURE, force=True)


def _detects(config: Config) -> bool:
    """Whether settings are those of a model that is to find outliers."""
    return bool(config.outlier_score != "mse" or config.contamination or config.trim)


class _Progress:
    """Says how runs go: a line for each that has ended, and now and then one for those under way.

    Parameters
    ----------
    total
        Of runs to make.
    table
        Makes a table of results.

    Attributes
    ----------
    done
        How many runs have ended.
    """

    def __init__(self, total: int, table: Any) -> None:
        self._total, self._table, self.done = total, table, 0
        self._said = time.monotonic()
        self._notes: set[str] = set()

    def note(self, message: str) -> None:
        """Pass on what is remarked of a run, once."""
        if message not in self._notes:
            self._notes.add(message)
            say(f"note: {message}")

    def tell(self, result: Result) -> None:
        """Say how a run went."""
        self.done += 1
        self._said = time.monotonic()
        say(f"[{self.done}/{self._total}] {told(result, self._table([result]))}")

    def look(self, watchers: Sequence[Watcher]) -> None:
        """Say how far the runs under way are, if nothing was said for long."""
        if time.monotonic() - self._said < LINE_SECONDS:
            return
        self._said = time.monotonic()
        shares = [f"epoch {own.epoch}/{own.epochs}" for own in watchers]
        say(f"{self.done} of {self._total} done; {', '.join(shares) or 'starting'}")


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
