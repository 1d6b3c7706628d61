"""Single rows: those that are rebuilt best and worst, those that are odd, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding, outliers
from gpuae.model.model import Model
from gpuae.outliers import Report, chosen_threshold, table_names
from gpuae.pictures.geometry import Geometry
from gpuae.pictures.picture import Vector
from gpuae.pictures.reconstructions import reconstructions
from gpuae.pictures.sample import Sample
from gpuae.report.contents import Part, Shown, Table
from gpuae.report.subject import Subject
from gpuae.report.words import isolated
from gpuae.words import counted

SHOWN_ROWS = 8
"""Of the best and of the worst."""
MOST_OUTLIERS = 10


@dataclass(frozen=True)
class Scores:
    """Of all rows (n,): the error in preprocessed units, and the score, which may be another."""

    errors: Vector
    scores: Vector

    @classmethod
    def of(cls, subject: Subject) -> Scores:
        """Compute both."""
        rows = len(subject.data.x)
        errors = np.empty(rows)

        def take(start: int, _: NDArray[np.generic], own: Vector) -> None:
            errors[start : start + len(own)] = own

        encoding.row_errors(subject.model, subject.data.x, take, machine=subject.machine)
        if subject.model.config.outlier_score == "mse":
            return cls(errors, errors)
        scores = np.empty(rows)
        encoding.score(
            subject.model, subject.data.x, encoding.into(scores), machine=subject.machine
        )
        return cls(errors, scores)

    def order(self) -> NDArray[np.int64]:
        """Return the numbers of rows, the best rebuilt first."""
        return np.argsort(self.errors, kind="stable")


def extremes(subject: Subject, scores: Scores) -> Part:
    """Return the rows that are rebuilt best and worst, of all rows."""
    order = scores.order()
    count = min(SHOWN_ROWS, len(order))
    ends = {"Rebuilt worst": order[::-1][:count], "Rebuilt best": order[:count]}
    pictures = []
    for heading, numbers in ends.items():
        own = Sample.of(subject.data, count, numbers)
        ends_at = "largest" if "worst" in heading else "smallest"
        how = f"The {counted(count, 'row')} with the {ends_at} errors."
        picture = reconstructions(subject.model, own, machine=subject.machine)
        pictures.append(Shown(heading, how, picture))
    middle = np.median(scores.errors)
    text = (
        "The error of a row is the mean over its columns of the squared difference from its "
        f"reconstruction, as the network sees them. The middle row has {middle:.4g}.",
    )
    return Part(text, tuple(pictures))


def outlying(subject: Subject, scores: Scores) -> Part:
    """Return the rows with the largest scores, what is known of them, and their columns."""
    model = subject.model
    level = chosen_threshold(model)
    count = min(MOST_OUTLIERS, len(scores.scores))
    numbers = np.argsort(-scores.scores, kind="stable")[:count]
    named = Geometry.of(model).kind != "images"
    names = table_names(model, subject.data.feature_names)
    report = Report(model, level, named, len(_SHARES), names)
    rows = Sample.of(subject.data, count, numbers)
    block = np.empty(count, report.dtype)
    outliers.judge(report, rows.x, encoding.into(block), machine=subject.machine)
    return Part(_sentences(subject, scores, level), (), _table(model, rows, block))


def _sentences(subject: Subject, scores: Scores, level: float | None) -> tuple[str, ...]:
    kind = {
        "mse": "The score of a row is its error.",
        "knn": "The score of a row is its distance to training rows in what the model makes of "
        "them.",
    }[subject.model.config.outlier_score]
    if level is None:
        unknown = (
            "The model was trained without contamination, so where outliers begin is not known; "
            "these rows have the largest scores."
        )
        return kind, unknown
    above, rows = int((scores.scores > level).sum()), len(scores.scores)
    share = subject.model.config.contamination
    expected = "" if share is None else f"; {share:.1%} were to be expected"
    return (
        kind,
        f"{above:,} of {rows:,} rows ({above / rows:.1%}) are outliers, with scores above "
        f"{level:.4g}{expected}.",
    )


def _table(model: Model, rows: Sample, block: NDArray[np.void]) -> Table:
    """Return a line for each row; what the model does not know has no column."""
    fields = block.dtype.names or ()
    columns = {"row": list(rows.names()), "score": [f"{own:#.4g}" for own in block["error"]]}
    if model.calibration is not None:
        as_much = model.calibration.p_values(block["error"])
        whose = "held-out" if model.calibration.held_out else "training"
        columns[f"share of {whose} rows with as much"] = [f"{own:.2%}" for own in as_much]
    if "outlier" in fields:
        columns["outlier"] = ["yes" if own else "no" for own in block["outlier"]]
    for place, words in enumerate(_SHARES, start=1):
        if f"column_{place}" in fields:
            named = zip(block[f"column_{place}"], block[f"share_{place}"], strict=True)
            columns[words] = [f"{isolated(name)}: {share:.0%}" for name, share in named]
    head = tuple(columns)
    text = frozenset(place for place, name in enumerate(head) if name in ("outlier", *_SHARES))
    lines = tuple(zip(*columns.values(), strict=True))
    return Table("The rows with the largest scores", head, lines, text=text)


_SHARES = ("most of it", "second most", "third most")
"""Columns of a table: which columns of the data make the score."""
