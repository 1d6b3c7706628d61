"""How badly rows are rebuilt: the distribution of their scores, and why the worst have theirs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.encoding import into, score
from gpuae.errors import InputError
from gpuae.machine import ANY, Machine
from gpuae.model.calibration import Judged
from gpuae.model.model import Model
from gpuae.outliers import chosen_threshold
from gpuae.pictures.bins import bars, edges
from gpuae.pictures.blame import blame, reason
from gpuae.pictures.picture import Axes, Histogram, Level, Picture, Vector
from gpuae.pictures.sample import Sample
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading
from gpuae.words import counted

MOST_ROWS = 10_000
WORST = 8
LOG_FROM = 10.0
"""Scores of which the largest is so many times the smallest are drawn on a logarithmic scale."""
LOWEST = 1e-6
"""Of the largest score: smaller ones are in the lowest bar of a logarithmic scale."""


def errors(
    model: Model,
    sample: Sample,
    *,
    threshold: float | None = None,
    machine: Machine = ANY,
) -> Picture:
    """Show the scores of rows, beside those of held-out rows, and what makes the worst ones so.

    Parameters
    ----------
    threshold
        The score above which a row is an outlier; None: the model's, where it has one.

    Raises
    ------
    ConfigError
        For a threshold that is none.
    InputError
        Where the rows do not fit the model, or it is a classifier.
    """
    level = chosen_threshold(model, threshold)
    scores = np.empty(len(sample.x))
    score(model, sample.x, into(scores), machine=machine)
    worst = np.argsort(-scores, kind="stable")[:WORST]
    part = sample.part(worst)
    shares = _shares(model, part, machine)
    sets = _sets(scores, model)
    panels = (_distribution(sets, level), blame(model, part, scores[worst], shares))
    why = f"The worst is {part.names()[0]}{reason(model, shares[0])}."
    sentence = f"{_sentence(scores, level)} {why}"
    return Picture("Errors of the rows", panels, sentence, (*sample.notes, *_notes(sets, level)))


def scores_only(scores: Vector, threshold: float | None = None) -> Picture:
    """Show the distribution of scores whose model is not at hand."""
    note = "which columns make the worst rows so is told with the model and the rows"
    sets = _sets(scores)
    return Picture(
        "Errors of the rows",
        (_distribution(sets, threshold),),
        _sentence(scores, threshold),
        (note, *_notes(sets, threshold)),
        across=1,
    )


def read_scores(input_file: InputFile) -> tuple[Vector, float | None]:
    """Read the scores that `gpuae score` has written, and above which of them all are outliers.

    Raises
    ------
    InputError
        Where the file is no HDF5 file of scores.
    """
    path = input_file.path
    with opening.opened(input_file) as file:
        reading.refuse_unfinished(file)
        kind = file_format.kind_of(reading.root_attributes(file))
        if kind != "scores":
            raise InputError(
                f"{path}: holds no scores; give an HDF5 file that gpuae score has made"
            )
        scores = reading.required_array(file, "/scores/error").astype(np.float64)
        outlier = reading.optional_array(file, "/scores/outlier")
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all() or scores.min() < 0:
        raise InputError(f"{path}::/scores/error: is no list of scores from 0 on; make it again")
    if outlier is None:
        return scores, None
    if outlier.shape != scores.shape:
        raise InputError(f"{path}::/scores/outlier: is not one number a score; make it again")
    return scores, _largest_usual(scores, outlier != 0)


def _largest_usual(scores: Vector, is_outlier: NDArray[np.bool_]) -> float | None:
    """Return the score above which are all outliers, and no others; None where there is none."""
    usual, unusual = scores[~is_outlier], scores[is_outlier]
    if not (len(usual) and len(unusual) and usual.max() < unusual.min()):
        return None
    return float(usual.max())


def _shares(model: Model, sample: Sample, machine: Machine) -> NDArray[np.float64]:
    """Return each column's share of the scores of a few rows, (m, d)."""
    shares = np.empty((len(sample.x), model.table_columns))

    def take(start: int, own: Judged) -> None:
        shares[start : start + len(own.scores)] = own.shares

    encoding.judge(model, sample.x, take, machine=machine)
    return shares


def _sets(scores: Vector, model: Model | None = None) -> dict[str, Vector]:
    """Return these scores, and those of held-out rows where the model has kept some."""
    sets = {f"these {len(scores):,} rows" if len(scores) > 1 else "this row": scores}
    kept = None if model is None else model.calibration
    if kept is not None:
        what = "held-out" if kept.held_out else "training"
        sets[counted(len(kept.scores), f"{what} row")] = kept.scores
    return sets


def _distribution(sets: Mapping[str, Vector], level: float | None) -> Histogram:
    """Show which share of the rows of each set has which score."""
    between, floor = _edges(sets, level), _floor(sets, level)
    counts = np.array(
        [np.histogram(np.maximum(own, between[0]), between)[0] / len(own) for own in sets.values()]
    )
    levels = () if level is None else (Level(f"outliers above {level:.4g}", level, "x"),)
    axes = Axes("error of a row (score)", "share of rows", log_x=floor is not None)
    return Histogram("Errors of all rows", axes, between, counts, tuple(sets), levels)


def _shown(sets: Mapping[str, Vector], level: float | None) -> Vector:
    return np.concatenate([*sets.values(), [] if level is None else [level]])


def _floor(sets: Mapping[str, Vector], level: float | None) -> float | None:
    """Return the lowest score of a logarithmic scale; None where nothing asks for one."""
    shown = _shown(sets, level)
    positive, high = shown[shown > 0], float(shown.max())
    if level == 0 or not len(positive) or high <= LOG_FROM * positive.min():
        return None
    return max(float(positive.min()), LOWEST * high)


def _edges(sets: Mapping[str, Vector], level: float | None) -> Vector:
    """Return edges of bars, equal on their scale, that all that is shown lies between."""
    shown, floor = _shown(sets, level), _floor(sets, level)
    low, high = float(shown.min()), float(shown.max())
    fewest = min(map(len, sets.values()))
    if floor is None:
        return edges(low, high, fewest)
    return np.asarray(np.geomspace(floor, high, bars(fewest) + 1))


def _sentence(scores: Vector, level: float | None) -> str:
    middle, high, top = np.quantile(scores, [0.5, 0.99, 1])
    text = (
        f"Errors of {counted(len(scores), 'row')}: the middle one is {middle:.4g}, one in a "
        f"hundred is above {high:.4g}, and the largest is {top:.4g}."
    )
    if level is None:
        return text
    return f"{text} Outliers, of an error above {level:.4g}: {int((scores > level).sum()):,}."


def _notes(sets: Mapping[str, Vector], level: float | None) -> tuple[str, ...]:
    floor = _floor(sets, level)
    low = 0 if floor is None else sum(int((own < floor).sum()) for own in sets.values())
    return (f"errors of 0, or nearly, are in the lowest bar: {low:,}",) if low else ()
