"""From models and rows to what a page says of them: all that is computed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gpuae import classification, evaluation
from gpuae.classification import ClassifierFigures
from gpuae.errors import GpuaeError, InputError
from gpuae.evaluation import Evaluation
from gpuae.report import finding, measures, training
from gpuae.report.commands import origin
from gpuae.report.comparison import compare
from gpuae.report.contents import Finding, ModelReport, Page, Part, Table
from gpuae.report.likeness import neighbours
from gpuae.report.ranking import Scores, extremes, outlying
from gpuae.report.sights import pictures
from gpuae.report.subject import Subject
from gpuae.words import counted


@dataclass(frozen=True)
class Measured:
    """A subject with its figures, and what measuring gave rise to remark."""

    subject: Subject
    figures: Evaluation | ClassifierFigures
    notes: tuple[str, ...]

    @classmethod
    def of(cls, subject: Subject) -> Measured:
        """Measure a model on all rows."""
        notes: list[str] = []
        rows, labels = subject.data.x, subject.labels
        figures: Evaluation | ClassifierFigures
        if subject.model.classification is None:
            figures = evaluation.evaluate(
                subject.model, rows, note=notes.append, machine=subject.machine
            )
        elif labels is None:
            raise InputError(f"{subject.data.source} has no labels to measure a classifier by")
        else:
            figures = classification.evaluate(
                subject.model, rows, labels, note=notes.append, machine=subject.machine
            )
        return cls(subject, figures, tuple(notes))

    @cached_property
    def finding(self) -> Finding:
        """The figures in words."""
        if isinstance(self.figures, Evaluation):
            return finding.of_autoencoder(self.subject, self.figures, self.notes)
        return finding.of_classifier(self.subject, self.figures, self.notes)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The figures as they are."""
        if isinstance(self.figures, Evaluation):
            return measures.of_autoencoder(self.figures)
        return measures.of_classifier(self.figures)


def build(subjects: Sequence[Subject], made_by: str = "") -> Page:
    """Compute a page of one model, or of several side by side, on the same rows.

    Raises
    ------
    InputError
        Where models cannot be compared, or a classifier has no labels to be measured by.
    """
    _check_comparable(subjects)
    measured = [Measured.of(subject) for subject in subjects]
    rows, columns = subjects[0].data.x.shape
    names = " and ".join(subject.name for subject in subjects)
    return Page(
        title=names,
        data=f"{subjects[0].rows_name}, {counted(rows, 'row')} of {counted(columns, 'column')}",
        models=tuple(_model(own) for own in measured),
        comparison=compare([(own.subject, own.figures) for own in measured])
        if len(measured) > 1
        else None,
        made_by=made_by,
    )


def _check_comparable(subjects: Sequence[Subject]) -> None:
    first, *others = subjects
    for other in others:
        if other.model.network.columns != first.model.network.columns:
            raise InputError(
                f"{other.name} was trained on {other.model.network.columns} columns and "
                f"{first.name} on {first.model.network.columns}; compare models of the same columns"
            )
        if other.model.feature_names != first.model.feature_names:
            raise InputError(
                f"{other.name} and {first.name} were trained on columns of other names, or in "
                "another order; compare models of the same columns"
            )
        if (other.model.classification is None) != (first.model.classification is None):
            raise InputError(
                f"of {first.name} and {other.name} one is a classifier and the other is none; "
                "write a report of each"
            )


def _model(measured: Measured) -> ModelReport:
    subject = measured.subject
    model, sample = subject.model, subject.sample()
    best_and_worst, unusual = _single_rows(subject)
    return ModelReport(
        name=subject.name,
        finding=measured.finding,
        facts=tuple(training.facts(subject)),
        layers=training.layers(model),
        settings=training.settings(model),
        pictures=tuple(pictures(subject, sample)),
        figures=measured.tables,
        extremes=best_and_worst,
        outliers=unusual,
        neighbours=_neighbours(subject),
        origin=origin(subject),
    )


def _single_rows(subject: Subject) -> tuple[Part, Part]:
    """Return rows that are rebuilt best and worst, and unusual ones; of a classifier nothing."""
    if subject.model.classification is not None:
        return Part(), Part()
    try:
        scores = Scores.of(subject)
        return extremes(subject, scores), outlying(subject, scores)
    except GpuaeError as error:  # such as errors beyond all bounds
        return Part((f"Errors of single rows are not known: {error}.",)), Part()


def _neighbours(subject: Subject) -> Part:
    try:
        return neighbours(subject, subject.sample())
    except GpuaeError as error:
        return Part((f"Neighbours are not known: {error}.",))
