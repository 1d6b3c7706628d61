"""The figures of `evaluate` as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpuae.classification import ClassifierFigures
from gpuae.evaluation import Evaluation
from gpuae.report.contents import Table
from gpuae.words import counted, percent

MOST_CLASSES = 40
"""More make no table of a confusion that anybody reads."""


def of_autoencoder(figures: Evaluation) -> tuple[Table, ...]:
    """Return errors beside PCA in both units, and what is to say of loss and code."""
    size = f"{counted(figures.rows, 'row')} of {counted(figures.columns, 'column')}"
    pca = f"PCA, {counted(figures.pca_components, 'component')}"
    errors = Table(
        f"Errors of {size}",
        ("", "as the network sees them", "in the data's own units"),
        (
            ("explained variance", *_both(figures, "explained_variance", percent)),
            (pca, *_both(figures, "pca_explained_variance", percent)),
            ("mean squared error", *_both(figures, "mse", "{:#.4g}".format)),
            (pca, *_both(figures, "pca_mse", "{:#.4g}".format)),
            ("variance of these rows", *_both(figures, "variance", "{:#.4g}".format)),
        ),
    )
    code = Table("Loss and code", ("", "value"), _of_code(figures))
    return (errors, *_of_categories(figures), code)


def _of_categories(figures: Evaluation) -> tuple[Table, ...]:
    """Return how often categories are named right; the errors are of the numbers alone."""
    own = figures.categories
    if own is None:
        return ()
    pca = "–" if own.pca_accuracy is None else percent(own.pca_accuracy)
    caption = f"Categories in {counted(own.columns, 'column')}; the errors above are of the numbers"
    lines = (
        ("named right", percent(own.accuracy)),
        (f"PCA, {counted(figures.pca_components, 'component')}", pca),
        ("always the most frequent of a column", percent(own.majority)),
        ("cross-entropy of a category", f"{own.cross_entropy:.4g}"),
        ("that of their frequencies", f"{own.entropy:.4g}"),
    )
    return (Table(caption, ("", "value"), lines),)


def _both(figures: Evaluation, name: str, word: Callable[[Any], str]) -> tuple[str, str]:
    if name.endswith("explained_variance") and not figures.variance:
        return "–", "–"
    return word(getattr(figures, f"preprocessed_{name}")), word(getattr(figures, name))


def _of_code(figures: Evaluation) -> tuple[tuple[str, str], ...]:
    k = figures.code_size
    share = figures.explained_loss
    gained = () if share is None else (("less than with the mean of each column", percent(share)),)
    return (
        ("loss", f"{figures.loss:.6g}"),
        *gained,
        ("code units", f"{k}"),
        ("dead units", f"{figures.dead_units}"),
        ("active units a row", f"{figures.active_per_row:.1f}"),
        ("exact zeros in the code", f"{figures.zero_fraction:.2%}"),
        ("mean activation of the code", f"{figures.mean_activation:.4g}"),
        (
            "PCA was learnt from",
            f"{'' if figures.pca_from == 'these rows' else 'the '}{figures.pca_from}",
        ),
    )


def of_classifier(figures: ClassifierFigures) -> tuple[Table, ...]:
    """Return the figures over all rows, of each class, and which is taken for which."""
    whole = Table(
        f"{counted(figures.rows, 'row')} of {counted(figures.columns, 'column')}",
        ("", "value"),
        (
            ("accuracy", f"{figures.accuracy:.2%}"),
            ("always the most frequent class", f"{figures.majority:.2%}"),
            ("mean recall of the classes", f"{figures.balanced_accuracy:.2%}"),
            ("log loss", f"{figures.log_loss:.4g}"),
        ),
    )
    by_class = Table(
        "By class",
        ("class", "precision", "recall", "F1", "rows"),
        tuple(
            (
                str(own.label),
                f"{own.precision:.1%}",
                f"{own.recall:.1%}",
                f"{own.f1:.1%}",
                f"{own.rows:,}",
            )
            for own in figures.by_class
        ),
    )
    if len(figures.by_class) > MOST_CLASSES:
        return whole, by_class
    return whole, by_class, _confusion(figures)


def _confusion(figures: ClassifierFigures) -> Table:
    labels = tuple(str(own.label) for own in figures.by_class)
    rows = tuple(
        (label, *(f"{count:,}" if count else "·" for count in line))
        for label, line in zip(labels, figures.confusion, strict=True)
    )
    right = frozenset((place, place + 1) for place in range(len(labels)))
    caption = "Confusion: a row for each class, a column for what its rows were taken for"
    return Table(caption, ("class", *labels), rows, best=right)
