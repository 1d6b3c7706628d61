"""A model on some rows in plain words: the figures are `evaluate`'s, the rules the verdict's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpuae.classification import ClassFigures, ClassifierFigures
from gpuae.evaluation import Evaluation
from gpuae.model.model import Model
from gpuae.report.contents import Finding, Grade
from gpuae.report.subject import Subject
from gpuae.report.words import isolated
from gpuae.verdict import (
    NOTICEABLE,
    POOR_ALONE,
    Course,
    Figures,
    Standing,
    Verdict,
    remedies,
)
from gpuae.words import percent

OF_LABELS = 40
"""Characters of a label in a sentence."""

_SAID: dict[Standing, tuple[Grade, str]] = {
    Standing.CONSTANT: ("unknown", "These rows are all but the same: there is nothing to explain"),
    Standing.MORE: ("good", "It explains more than PCA of the same size"),
    Standing.AS_MUCH: ("good", "It explains as much as PCA of the same size"),
    Standing.NEARLY: ("fair", "It explains almost as much as PCA of the same size"),
    Standing.MUCH: ("good", "It explains most of what there is"),
    Standing.LESS: ("poor", "This model is poor: it explains less than PCA of the same size"),
    Standing.LITTLE: ("poor", "This model is poor: it explains little"),
    Standing.NOTHING: ("bad", "This model is bad: it explains nothing"),
    Standing.WORSE: ("bad", "This model is bad: the mean of each column would do better"),
}


def of_autoencoder(subject: Subject, figures: Evaluation, notes: Sequence[str]) -> Finding:
    """Word what an autoencoder makes of the rows; `notes` are what measuring them gave rise to.

    Of rows that it was trained on, what was held out in training decides, where that is known.
    """
    course = Course.of_model(subject.model)
    verdict = Verdict.of([figures], course, which="row")
    standing, decisive, where = verdict.standing, verdict.preprocessed, ""
    measured = held_out(subject.model)
    by_loss = verdict.explained_loss is not None
    if subject.trained_on and measured is not None and not (by_loss or verdict.constant):
        standing, decisive = Standing.of(measured), measured
        where = ", on rows that were held out in training"
    grade, headline = _SAID[standing]
    if grade == "good" and decisive.explained_variance < POOR_ALONE:
        grade = "fair"
    if by_loss and not standing.poor:
        grade = "fair"
        headline = f"It explains {percent(verdict.explained_loss or 0.0)} of the {verdict.share_of}"
    remarks = (*_of_training(subject), *notes, *_of_figures(figures))
    return Finding(
        grade,
        f"{headline}{where}",
        _sentence(str(verdict)),
        f"{remedies(course)} may help." if standing.poor else None,
        tuple(_sentence(remark) for remark in remarks),
    )


def _of_training(subject: Subject) -> Iterator[str]:
    """Yield what is known from training of rows that were held out."""
    known = _words_of_held_out(subject.model)
    if subject.trained_on:
        trust = known or "measure it on others"
        yield f"it was trained on these very rows, which may flatter it; {trust}"
    elif known:
        yield f"to compare with: {known}"


def held_out(model: Model) -> Figures | None:
    """Return the figures of rows that were held out in training, where they were measured."""
    found = model.attributes.get("held_out_explained_variance")
    pca = model.attributes.get("held_out_pca_explained_variance")
    if not isinstance(found, float):
        return None
    return Figures(found, pca if isinstance(pca, float) else None)


def _words_of_held_out(model: Model) -> str:
    found = held_out(model)
    if found is None:
        return ""
    rows, trim = model.attributes.get("held_out_rows"), model.config.trim
    usual = f" (without the {trim:.0%} most unlike ones)" if trim else ""
    share, pca = percent(found.explained_variance), found.pca_explained_variance
    text = f"of {rows} rows that were held out in training{usual} it explained {share}"
    return text if pca is None else f"{text}, PCA {percent(pca)}"


def _of_figures(figures: Evaluation) -> Iterator[str]:
    if figures.dead_units:
        count = figures.dead_units
        verb = "is" if count == 1 else "are"
        yield (
            f"{count} of {figures.code_size} code units {verb} dead, active in none of these rows: "
            "a code without them would do the same"
        )
    if figures.pca_from == "these rows":
        yield "the PCA beside it was learnt from these very rows, which flatters PCA"


def of_classifier(subject: Subject, figures: ClassifierFigures, notes: Sequence[str]) -> Finding:
    """Word how often a classifier is right, beside naming the most frequent class always."""
    share = _beyond_guessing(figures)
    standing = Standing.of(Figures(share, None))
    wrong = figures.accuracy - figures.majority < -NOTICEABLE
    headline = f"It is right about {figures.accuracy:.1%} of these rows"
    if standing.poor:
        less = "less often than" if wrong else "hardly more often than"
        if share >= NOTICEABLE:
            less = "not much more often than"
        always = "always naming the most frequent class would be"
        headline = f"This classifier is poor: it is right {less} {always}"
    bad = standing in (Standing.NOTHING, Standing.WORSE)
    grade: Grade = "bad" if bad else "poor" if standing.poor else "good"
    remarks = (*_of_seen(subject), *notes, *_of_classes(figures))
    return Finding(
        grade,
        headline.replace("poor", "bad") if bad else headline,
        f"Right about {figures.accuracy:.1%} of {figures.rows:,} rows; always naming the most "
        f"frequent class {figures.majority:.1%}. Mean recall of the classes "
        f"{figures.balanced_accuracy:.1%}, log loss {figures.log_loss:.3g}.",
        _classifier_advice(subject.model, figures) if standing.poor else None,
        tuple(_sentence(remark) for remark in remarks),
    )


def _beyond_guessing(figures: ClassifierFigures) -> float:
    """Return the share of the mistakes of guessing that it does not make."""
    mistakes = 1.0 - figures.majority
    if mistakes <= 0:
        return 1.0 if figures.accuracy == 1.0 else figures.accuracy - 1.0
    return (figures.accuracy - figures.majority) / mistakes


def _of_seen(subject: Subject) -> Iterator[str]:
    if subject.trained_on:
        yield (
            "it was trained on these very rows; its figures of rows that it has not seen are the "
            "ones to trust"
        )


def _of_classes(figures: ClassifierFigures) -> Iterator[str]:
    """Yield which class is recognised worst, and what it is taken for."""
    there = [place for place, own in enumerate(figures.by_class) if own.rows]
    worst = min(there, key=lambda place: figures.by_class[place].recall)
    own, line = figures.by_class[worst], list(figures.confusion[worst])
    if own.recall == 1.0:
        return
    line[worst] = -1
    other = figures.by_class[max(range(len(line)), key=line.__getitem__)]
    yield (
        f"hardest is class {_label(own)}: {own.recall:.1%} of its {own.rows:,} rows are "
        f"recognised, and it is most often taken for {_label(other)}"
    )


def _label(own: ClassFigures) -> str:
    text = str(own.label)
    return isolated(text if len(text) <= OF_LABELS else f"{text[: OF_LABELS - 1]}…")


def _classifier_advice(model: Model, figures: ClassifierFigures) -> str:
    config = model.classification.config if model.classification else None
    ways = []
    if config is not None and config.epochs == 0:
        ways.append("training the whole network (epochs, now 0)")
    if config is not None and config.class_weight == "none" and _is_uneven(figures):
        ways.append("class_weight=balanced")
    return f"{' or '.join([*ways, 'more labelled rows'])} may help."


def _is_uneven(figures: ClassifierFigures) -> bool:
    return figures.majority > 2 / max(1, sum(own.rows > 0 for own in figures.by_class))


def _sentence(text: str) -> str:
    """Return a remark, which begins with no name, as a sentence of its own."""
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."
