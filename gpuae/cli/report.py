"""gpuae report: is this model any good, and what has it learnt?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import declare, machine_options, output_options, tell, trust_options
from gpuae.cli.columns import using_column_options
from gpuae.cli.completions import files
from gpuae.cli.labels import labels_option

if TYPE_CHECKING:
    from gpuae.cli.rows import Job
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.report.subject import Subject
    from gpuae.storage.files.input_file import Input

MOST_MODELS = 8
"""Side by side on a page."""


@declare
@click.argument("names", metavar="MODEL... DATA", nargs=-1, required=True, shell_complete=files())
@output_options("the page (.html)")
@labels_option
@using_column_options
@machine_options
@trust_options
def command(
    names: tuple[str, ...],
    output: Path,
    labels_path: Path | None,
    force: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Write a page about MODEL, measured on the rows of DATA, or about several models side by side.

    It says in plain words how good the model is compared with PCA of the same size, and what to
    try if it is poor. It shows what it was trained on, what it has learnt, all figures, the rows
    that are rebuilt best and worst, unusual rows, neighbours by code, and the commands that make
    the model again. The page is one HTML file that needs neither network nor scripts, for a
    screen, a phone or paper.

    \b
    Example:
      gpuae report model.h5 test.csv -o report.html
      gpuae report small.h5 large.h5 test.csv -o both.html
    """
    from gpuae.report.page import check_installed
    from gpuae.storage.files.output_file import check_output

    *models, data = names
    _check_names(models, output)
    check_installed()
    check_output(output, force)
    task = _Task(tuple(map(Path, models)), data, labels_path, reading, machine)
    _write(task.page(output), output, force=force)
    tell(f"wrote {output}")


def _check_names(models: Sequence[str], output: Path) -> None:
    from gpuae.errors import OutputError

    if not models:
        raise click.UsageError("give one model or more, and then DATA to measure them on")
    if len(models) > MOST_MODELS:
        raise click.UsageError(
            f"a page has room for {MOST_MODELS} models, and {len(models)} were given"
        )
    if output.suffix.lower() != ".html":
        raise OutputError(f"{output}: a report is an HTML file; end its name with .html")


@dataclass(frozen=True)
class _Task:
    """What the page is about."""

    models: tuple[Path, ...]
    data: str
    labels_path: Path | None
    reading: ReadOptions
    machine: Machine

    def page(self, output: Path) -> bytes:
        """Measure, and return the page."""
        from gpuae.importers import opened
        from gpuae.report.build import build
        from gpuae.report.page import render

        data = opened(self.data)
        jobs = [self._job(path, data, output) for path in self.models]
        page = build([self._subject(job) for job in jobs], f"gpuae {version('gpuae')}")
        content = render(page)
        for job in jobs:
            job.check_unchanged()
        return content

    def _job(self, model: Path, data: Input | None, output: Path) -> Job:
        from gpuae.cli.rows import Job
        from gpuae.storage.files.input_file import InputFile

        return Job.open(
            model,
            self.data,
            output,
            reading=self.reading,
            memory=self.machine.memory,
            files=(InputFile(model), data),
        )

    def _subject(self, job: Job) -> Subject:
        from gpuae.report.subject import Subject
        from gpuae.storage.provenance.lineage import source_file

        rows, path = job.dataset, job.model_path
        alone = [own.name for own in self.models].count(path.name) == 1
        return Subject(
            name=path.name if alone else str(path),
            model=job.model,
            data=replace(rows, metadata=replace(rows.metadata, y=self._labels(job))),
            file=source_file("model", job.model_file, str(path)),
            source=job.data_source(),
            trained_on=job.was_trained_on(),
            machine=self.machine,
        )

    def _labels(self, job: Job) -> Any:
        from gpuae.cli.labels import Labels

        if self.labels_path is None and job.model.classification is None:
            return job.dataset.y
        return Labels.of(job, self.labels_path).values


def _write(content: bytes, output: Path, *, force: bool) -> None:
    from gpuae.storage.files.output_file import OutputFile

    with OutputFile(output, force) as temporary:
        temporary.write(memoryview(content), 0)
