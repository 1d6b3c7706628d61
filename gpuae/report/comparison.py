"""Several models side by side: a row for each figure and setting, a column for each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gpuae.classification import ClassifierFigures
from gpuae.config import Config
from gpuae.evaluation import Evaluation
from gpuae.report import training
from gpuae.report.contents import Comparison, Table
from gpuae.report.subject import Subject
from gpuae.training.fitting import SUITED
from gpuae.words import percent

Own: TypeAlias = tuple[Subject, Evaluation | ClassifierFigures]
_Line: TypeAlias = tuple[str, tuple[str, ...], frozenset[int]]
"""What a row is of, its cells, and which of them are the best."""
ABSENT = "–"


def compare(models: Sequence[Own]) -> Comparison:
    """Put figures and settings of two or more models side by side."""
    names = tuple(subject.name for subject, _ in models)
    lines = _figures(models)
    best = frozenset((row, 1 + place) for row, line in enumerate(lines) for place in line[2])
    rows = tuple((name, *cells) for name, cells, _ in lines)
    every = frozenset(range(1, len(names) + 1))
    return Comparison(
        figures=Table("The best of a row is marked", ("", *names), rows, best),
        settings=Table(
            "What is the same in all is left out", ("", *names), _settings(models), text=every
        ),
    )


def _figures(models: Sequence[Own]) -> list[_Line]:
    figures: list[Any] = [own for _, own in models]
    if isinstance(figures[0], ClassifierFigures):
        lines = [
            _line("accuracy", figures, "accuracy", "{:.2%}".format, best=max),
            _line("mean recall", figures, "balanced_accuracy", "{:.2%}".format, best=max),
            _line("log loss", figures, "log_loss", "{:#.4g}".format, best=min),
        ]
    else:
        lines = _of_autoencoders(figures, alike=_see_alike([subject for subject, _ in models]))
    return [*lines, *_of_models([subject for subject, _ in models])]


def _of_autoencoders(figures: Sequence[Evaluation], *, alike: bool) -> list[_Line]:
    """Mark what is best only where the units are the same."""
    most, least = (max, min) if alike else (None, None)
    seen = "as the network sees them"
    return [
        _line("explained variance", figures, "explained_variance", percent, best=max),
        _line("PCA of the same size", figures, "pca_explained_variance", percent),
        _line("mean squared error", figures, "mse", "{:#.4g}".format, best=min),
        _line(
            f"explained variance, {seen}",
            figures,
            "preprocessed_explained_variance",
            percent,
            best=most,
        ),
        _line(
            f"PCA of the same size, {seen}",
            figures,
            "preprocessed_pca_explained_variance",
            percent,
        ),
        _line(
            f"mean squared error, {seen}",
            figures,
            "preprocessed_mse",
            "{:#.4g}".format,
            best=least,
        ),
        *_of_categories(figures),
        _line("code units", figures, "code_size", "{:,}".format),
        _line("dead units", figures, "dead_units", "{:,}".format),
        _line("active units a row", figures, "active_per_row", "{:.1f}".format),
    ]


def _of_categories(figures: Sequence[Evaluation]) -> list[_Line]:
    own = [figure.categories for figure in figures]
    if None in own:
        return []
    return [
        _line("categories named right", own, "accuracy", percent, best=max),
        _line("cross-entropy of a category", own, "cross_entropy", "{:.4g}".format, best=min),
    ]


def _see_alike(subjects: Sequence[Subject]) -> bool:
    """Whether all models see the rows in the same units."""
    seen = {tuple(getattr(own.model.config, name) for name in SUITED[:4]) for own in subjects}
    return len(seen) == 1


def _of_models(subjects: Sequence[Subject]) -> list[_Line]:
    def seconds(subject: Subject) -> str:
        own = subject.model.history.get("seconds")
        return ABSENT if own is None or not len(own) else f"{float(own.sum()):.1f} s"

    sizes = tuple(f"{subject.model.network.size:,}" for subject in subjects)
    epochs = tuple(f"{len(subject.model.history.get('epoch', ())):,}" for subject in subjects)
    none: frozenset[int] = frozenset()
    return [
        ("numbers learnt", sizes, none),
        ("epochs", epochs, none),
        ("time of these epochs", tuple(map(seconds, subjects)), none),
    ]


def _line(
    name: str,
    figures: Sequence[Any],
    field: str,
    word: Callable[[Any], str],
    best: Callable[[Sequence[Any]], Any] | None = None,
) -> _Line:
    values = [getattr(own, field) for own in figures]
    cells = tuple(map(word, values))
    if best is None or len(set(cells)) == 1:
        return name, cells, frozenset()
    top = word(best(values))
    return name, cells, frozenset(place for place, cell in enumerate(cells) if cell == top)


def _settings(models: Sequence[Own]) -> tuple[tuple[str, ...], ...]:
    stored = [_told(subject) for subject, _ in models]
    names = dict.fromkeys(name for own in stored for name in own)
    rows = [(name, *(own.get(name, ABSENT) for own in stored)) for name in names]
    return tuple(row for row in rows if len(set(row[1:])) > 1)


def _told(subject: Subject) -> dict[str, str]:
    own = subject.model.config
    told = {name: training.plain(value) for name, value in own.stored().items()}
    unset = {name: ABSENT for name in Config.model_fields if name not in told}
    if subject.model.classification is not None:
        classifier = subject.model.classification.config.stored()
        told |= {f"classifier: {name}": training.plain(v) for name, v in classifier.items()}
    return {name: value for name, value in (told | unset).items() if value != ABSENT}
