"""The work of gpuae sweep: runs that are made in a folder, and their results written there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import say, tell
from gpuae.cli.sweep_lines import told
from gpuae.cli.weights import Weights

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.defaults import DataFacts
    from gpuae.importers import ReadOptions
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.sweeps.crew import Watcher
    from gpuae.sweeps.folder import Folder
    from gpuae.sweeps.plan import Crew
    from gpuae.sweeps.results import Result, Table
    from gpuae.sweeps.runs import Run
    from gpuae.sweeps.training import Trainer
    from gpuae.training.deadline import Deadline

PICTURE = "results.png"
LINE_SECONDS = 10.0
"""Between two lines that say how far runs are."""


class Stopped(Enum):
    """What ended a sweep before all runs were made."""

    NOT = "not at all"
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True)
class Asked:
    """What is to be tried."""

    runs: tuple[Run, ...]
    varied: tuple[str, ...]
    preset: str | None

    @property
    def first(self) -> Config:
        """The settings of a run that makes sense."""
        return next(run.config for run in self.runs if run.config is not None)

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings that are not varied."""
        stored = self.first.stored()
        return {name: value for name, value in stored.items() if name not in self.varied}


@dataclass(frozen=True)
class Task:
    """What runs are made on, and where."""

    asked: Asked
    dataset: Dataset
    weights: Weights
    attributes: dict[str, str | int | float]
    folder: Folder

    @classmethod
    def open(
        cls,
        asked: Asked,
        data: str,
        output: Path,
        reading: ReadOptions,
        weights_path: Path | None,
    ) -> Task:
        """Open the rows, and check that the folder is of this sweep."""
        from gpuae.backends import resolve_device
        from gpuae.cli.learning_rows import check_device, open_rows
        from gpuae.storage.files.input_file import check_unchanged
        from gpuae.storage.provenance import lineage
        from gpuae.sweeps.folder import Folder

        configs = [run.config for run in asked.runs if run.config is not None]
        check_device(asked.first)
        reading = replace(
            reading,
            missing=any(config.missing == "mean" for config in configs),
            wide=any(config.dtype == "float64" for config in configs),
        )
        dataset = open_rows(data, reading, asked.first)
        weights = Weights.of(dataset, weights_path)
        source = lineage.source_file("data", dataset.file, dataset.source)
        told = {"preset": asked.preset} if asked.preset else {}
        told |= weights.told | reading.requested()
        sources = [source, *weights.sources]
        check_unchanged(weights.file)
        identity = {
            "data": source.sha256 or source.name,
            "options": {"inside": source.inner, **reading.requested()},
            "device": resolve_device(asked.first.device).name,
            "varied": list(asked.varied),
            "settings": asked.fixed,
            **weights.told,
        }
        folder = Folder(output, identity)
        folder.check()
        attributes = lineage.attributes("fit", sources, told)
        return cls(asked, dataset, weights, attributes, folder)

    def foretell(self, jobs: int | None) -> None:
        """Say which runs would be made, and about what they would take."""
        from gpuae.cli.sweep_foretold import tell_runs
        from gpuae.storage.rows.mapped_copy import mapped_copy

        with mapped_copy(self.dataset.x) as x:
            facts, runs = self._checked(x)
            todo = self._todo(runs)
            crew = self._crew(facts, todo, jobs)
            own = self.dataset
            about = {
                "feature_names": own.feature_names,
                "image_shape": own.image_shape,
                "categorical": own.categorical,
                "weights": self.weights.values,
            }
            tell_runs(x, todo, crew, about)
        for run in runs:
            if run.config is None:
                tell(f"{run}: cannot be made ({run.problem})")

    def _checked(self, x: Any) -> tuple[DataFacts, list[Run]]:
        """Return what settings depend on, and all runs with what is wrong with some."""
        from gpuae.sweeps.plan import checked, facts_of

        facts = facts_of(x, self.weights.values, pixels=self.dataset.image_shape is not None)
        return facts, [checked(run, facts) for run in self.asked.runs]

    def _todo(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs that have yet to be made."""
        makeable = [run for run in runs if run.config is not None]
        return [run for run in makeable if self.folder.done(run) is None]

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
        from gpuae.sweeps.crew import Crew as Making
        from gpuae.sweeps.results import Result

        facts, runs = self._checked(x)
        failed = [Result.failed(run, run.problem) for run in runs if run.config is None]
        todo = self._todo(runs)
        done = len(runs) - len(failed) - len(todo)
        say(f"{len(runs)} runs" + (f", {done} of them done already" if done else ""))
        progress = Progress(len(todo), self._table)
        crew = self._crew(facts, todo, jobs)
        making = Making(
            self._trainer(x, crew),
            crew.at_once,
            over=lambda: deadline.left <= 0,
            note=progress.note,
            look=progress.look,
        )
        for result in making.results(todo):
            progress.tell(result)
            failed += [] if result.is_good else [result]
        if making.interrupted:
            return failed, Stopped.INTERRUPTED
        missing = progress.done < len(todo)
        return failed, Stopped.OUT_OF_TIME if missing else Stopped.NOT

    def _crew(self, facts: DataFacts, runs: Sequence[Run], jobs: int | None) -> Crew:
        """Decide how many runs are made at once, and say so."""
        from gpuae.backends import resolve_device
        from gpuae.sweeps.plan import Need, choose_crew, completed
        from gpuae.training.thread_pool import available_cores

        configs = [run.config for run in runs if run.config is not None]
        needs = [Need.of(completed(config, facts), facts) for config in configs]
        device, cores = resolve_device(self.asked.first.device), self.asked.first.threads
        crew = choose_crew(needs, device, cores or available_cores(), jobs)
        if len(runs) > 1 and crew.at_once > 1:
            each = "1 thread" if crew.threads == 1 else f"{crew.threads} threads"
            say(f"{crew.at_once} at once, with {each} each")
        return crew

    def _trainer(self, x: Any, crew: Crew) -> Trainer:
        """Return who makes runs."""
        from gpuae.sweeps.training import Rows, Trainer

        own = self.dataset
        about = (self.attributes, own.feature_names, own.image_shape, own.file, own.categorical)
        rows = Rows(x, *about, self.weights.values)
        debug = bool(click.get_current_context().meta.get("gpuae.debug"))
        return Trainer(rows, self.folder, crew.threads, debug)

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


class Progress:
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
