"""Single rows: those that are rebuilt best and worst, those that are odd, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding, outliers
from gpuae.outliers import Report, chosen_threshold, column_names
from gpuae.pictures.geometry import Geometry
from gpuae.pictures.picture import Vector
from gpuae.pictures.reconstructions import reconstructions
from gpuae.pictures.sample import Sample
from gpuae.report.contents import Part, Shown, Table
from gpuae.report.subject import Subject

SHOWN_ROWS = 8
"""Of the best and of the worst."""
MOST_OUTLIERS = 10
COLUMNS_NAMED = 3


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

        encoding.row_errors(subject.model, subject.data.x, take, **subject.machine)
        if subject.model.config.outlier_score == "mse":
            return cls(errors, errors)
        scores = np.empty(rows)
        encoding.score(subject.model, subject.data.x, encoding.into(scores), **subject.machine)
        return cls(errors, scores)

    def order(self) -> NDArray[np.int64]:
        """Return the numbers of rows, the best rebuilt first."""
        return np.argsort(self.errors, kind="stable")


def extremes(subject: Subject, scores: Scores) -> Part:
    """Return the rows that are rebuilt best and worst, of all rows."""
    order = scores.order()
    count = min(SHOWN_ROWS, len(order))
    ends = {"Rebuilt worst": order[::-1][:count], "Rebuilt best": order[:count]}
    pictures, lines = [], []
    for heading, numbers in ends.items():
        own = Sample.of(subject.data, count, numbers)
        how = f"The {count} rows with the {'largest' if 'worst' in heading else 'smallest'} errors."
        picture = reconstructions(subject.model, own, **subject.drawing)
        pictures.append(Shown(heading, how, picture))
        for name, number in zip(own.names(), numbers, strict=True):
            lines.append((name, heading.lower(), f"{scores.errors[number]:.4g}"))
    table = Table("Errors of these rows", ("row", "", "error"), tuple(lines), text=frozenset({1}))
    middle = np.median(scores.errors)
    text = (
        "The error of a row is the mean over its columns of the squared difference from its "
        f"reconstruction, as the network sees them. The middle row has {middle:.4g}.",
    )
    return Part(text, tuple(pictures), table)


def outlying(subject: Subject, scores: Scores) -> Part:
    """Return the rows with the largest scores, what is known of them, and their columns."""
    model = subject.model
    level = chosen_threshold(model)
    count = min(MOST_OUTLIERS, len(scores.scores))
    numbers = np.argsort(-scores.scores, kind="stable")[:count]
    named = Geometry.of(model).kind != "images"
    names = column_names(model, subject.data.feature_names)
    report = Report(model, level, named, COLUMNS_NAMED, names)
    rows = Sample.of(subject.data, count, numbers)
    block = np.empty(count, report.dtype)
    outliers.judge(report, rows.x, encoding.into(block), **subject.drawing)
    return Part(_sentences(subject, scores, level), (), _table(rows, block, model_knows=level))


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


def _table(rows: Sample, block: NDArray[np.void], model_knows: float | None) -> Table:
    fields = block.dtype.names or ()
    head, columns = ["row", "score"], [rows.names(), [f"{own:.4g}" for own in block["error"]]]
    if model_knows is not None:
        head.append("outlier")
        columns.append(["yes" if own else "no" for own in block["outlier"]])
    if "p_value" in fields:
        head.append("share of held-out rows with as much")
        columns.append([f"{own:.3f}" for own in block["p_value"]])
    words = {2} if model_knows is not None else set()
    for place in range(1, COLUMNS_NAMED + 1):
        if f"column_{place}" in fields:
            head.append(f"{_NTH[place - 1]} share of the score")
            words.add(len(head) - 1)
            named = zip(block[f"column_{place}"], block[f"share_{place}"], strict=True)
            columns.append([f"{name} {share:.0%}" for name, share in named])
    lines = tuple(zip(*columns, strict=True))
    return Table("The rows with the largest scores", tuple(head), lines, text=frozenset(words))


_NTH = ("largest", "second", "third")
