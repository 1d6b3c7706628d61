"""gpuae evaluate: how good is this model on these data?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import (
    data_argument,
    declare,
    json_option,
    machine_options,
    model_argument,
    print_json,
    trust_options,
)
from gpuae.cli.columns import using_column_options
from gpuae.cli.labels import labels_option
from gpuae.cli.tables import print_table
from gpuae.cli.weights import Weights, weight_options

if TYPE_CHECKING:
    from gpuae.evaluation import Evaluation
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine


@declare
@model_argument
@data_argument
@labels_option
@json_option
@using_column_options
@weight_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    labels_path: Path | None,
    weights_path: Path | None,
    as_json: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Measure MODEL on the rows of DATA, compared with PCA of the same code size.

    Errors and variances are given in two units: those that the network sees, where the scaling
    decides how much each column counts, and the data's own. PCA is learnt from the training rows if
    the model has kept it, otherwise from DATA. For a classifier the figures are accuracy, log loss
    and the confusion matrix, with the labels in DATA or in --labels. With --weights a row of weight
    2 counts as two rows.

    \b
    Example:
      gpuae evaluate model.h5 test.csv --json
    """
    from gpuae.cli.confusion import show_classifier
    from gpuae.cli.rows import Job, note
    from gpuae.evaluation import evaluate

    job = Job.open(model_path, data, reading=reading, memory=machine.memory)
    weights = Weights.of(job.dataset, weights_path).values
    if job.model.classification is not None:
        show_classifier(job, labels_path, weights, machine, as_json=as_json)
        return
    if labels_path is not None:
        raise click.UsageError(f"--labels are for a classifier, and {model_path} is none")
    figures = evaluate(job.model, job.x, note=note, machine=machine, weights=weights)
    if as_json:
        print_json(asdict(figures))
    else:
        size = f"{figures.rows} rows of {figures.columns} columns"
        print_table(f"{model_path} on {job.dataset.source} ({size})", table_rows(figures))


def table_rows(figures: Evaluation) -> list[tuple[str, str]]:
    """Word the figures for a person: of the units that the network sees, then of the data's own."""
    from gpuae.words import counted

    k = figures.code_size
    pca = f"  of PCA with {counted(figures.pca_components, 'component')}"
    return [
        ("loss", _loss(figures)),
        ("", "preprocessed  in the data's own units"),
        ("mean squared error", _both(figures, "mse", "{:.6g}".format)),
        (pca, _both(figures, "pca_mse", "{:.6g}".format)),
        ("explained variance", _shares(figures, "explained_variance")),
        (pca, _shares(figures, "pca_explained_variance")),
        ("PCA was learnt from", f"the {figures.pca_from}".replace("the these", "these")),
        ("mean activation of the code", f"{figures.mean_activation:.4g}"),
        ("exact zeros in the code", f"{figures.zero_fraction:.2%}"),
        *_of_categories(figures),
        ("dead units", f"{figures.dead_units} of {k}"),
        ("active units a row", f"{figures.active_per_row:.1f} of {k}"),
    ]


def _of_categories(figures: Evaluation) -> list[tuple[str, str]]:
    """Word how often categories are named right; the figures before are of the numbers alone."""
    from gpuae.words import percent

    own = figures.categories
    if own is None:
        return []
    pca = [] if own.pca_accuracy is None else [("  by PCA", percent(own.pca_accuracy))]
    guessed = "  by the most frequent one of each column"
    return [
        ("categories named right", percent(own.accuracy)),
        *pca,
        (guessed, percent(own.majority)),
        ("cross-entropy of a category", f"{own.cross_entropy:.4g}"),
        ("  of their frequencies", f"{own.entropy:.4g}"),
    ]


def _loss(figures: Evaluation) -> str:
    from gpuae.words import percent

    if figures.explained_loss is None:
        return f"{figures.loss:.6g}"
    share = percent(figures.explained_loss)
    return f"{figures.loss:.6g}, {share} less than with the mean of each column"


def _both(figures: Evaluation, name: str, word: Callable[[float], str]) -> str:
    return f"{word(getattr(figures, f'preprocessed_{name}')):12}  {word(getattr(figures, name))}"


def _shares(figures: Evaluation, name: str) -> str:
    from gpuae.words import percent

    return _both(figures, name, percent) if figures.variance else "the rows are all but the same"
