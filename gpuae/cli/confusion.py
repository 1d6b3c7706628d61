"""What gpuae evaluate prints of a classifier."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import print_json, say
from gpuae.cli.tables import print_table
from gpuae.printable import printable

if TYPE_CHECKING:
    from gpuae.classification import ClassFigures, ClassifierFigures
    from gpuae.cli.rows import Job
    from gpuae.machine import Machine
    from gpuae.model.statistics import RowWeights

SHOWN_CHARACTERS = 24
CLASSES_SHOWN = 20
"""More make no table that fits."""


def show_classifier(
    job: Job, labels_path: Path | None, weights: RowWeights, machine: Machine, *, as_json: bool
) -> None:
    """Measure a classifier on a job's rows and print the figures."""
    from gpuae.classification import evaluate
    from gpuae.cli.labels import Labels
    from gpuae.cli.rows import note

    labels = Labels.of(job, labels_path)
    figures = evaluate(
        job.model,
        job.x,
        labels.values,
        source=labels.source,
        note=note,
        machine=machine,
        weights=weights,
    )
    if job.was_trained_on():
        note(
            f"{job.dataset.source} is what the classifier was trained on; its figures of rows that "
            "it has not seen are the ones to trust"
        )
    if as_json:
        print_json(asdict(figures))
        return
    size = f"{figures.rows} rows of {figures.columns} columns"
    title = f"{job.model_path} on {job.dataset.source} ({size})"
    print_table(title, _class_rows(figures))
    _print_confusion(figures)


def _class_rows(figures: ClassifierFigures) -> list[tuple[str, str]]:
    """Word the figures of a classifier, then those by class."""
    return [
        ("accuracy", f"{figures.accuracy:.2%}"),
        ("  of always the most frequent class", f"{figures.majority:.2%}"),
        ("mean recall of the classes", f"{figures.balanced_accuracy:.2%}"),
        ("log loss", f"{figures.log_loss:.6g}"),
        ("", "precision  recall      f1    rows"),
        *((f"class {_short(own.label)}", _shares(own)) for own in figures.by_class),
    ]


def _shares(own: ClassFigures) -> str:
    return f"{own.precision:9.2%} {own.recall:7.2%} {own.f1:7.2%} {own.rows:7}"


def _print_confusion(figures: ClassifierFigures) -> None:
    """Print how often a class, a line each, was taken for which."""
    labels = [_short(own.label) for own in figures.by_class]
    if len(labels) > CLASSES_SHOWN:
        say(f"note: the confusion of {len(labels)} classes is in --json")
        return
    numbers = [[f"{count:.12g}" for count in line] for line in figures.confusion]
    width = max(len(text) for text in (*labels, *(text for line in numbers for text in line))) + 1
    click.echo("confusion: a line for each class of rows, a column for what they were taken for")
    click.echo(" " * width + "".join(label.rjust(width) for label in labels))
    for label, line in zip(labels, numbers, strict=True):
        click.echo(label.rjust(width) + "".join(text.rjust(width) for text in line))


def _short(label: int | str) -> str:
    """Return a label that fits into a line."""
    text = printable(str(label)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
