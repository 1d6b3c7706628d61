"""The pictures that make sense for a model and some rows, each with how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from gpuae.errors import GpuaeError
from gpuae.pictures.code_map import MOST_ROWS, code_map
from gpuae.pictures.codes import codes
from gpuae.pictures.errors import errors
from gpuae.pictures.history import history
from gpuae.pictures.onehot import onehot
from gpuae.pictures.picture import Picture
from gpuae.pictures.reconstructions import reconstructions
from gpuae.pictures.sample import Sample
from gpuae.pictures.weights import weights
from gpuae.report.contents import Shown
from gpuae.report.subject import Subject

REBUILT_ROWS = 10
MOST_UNITS = 256
"""Of the first layer and of the code: more are too small to be looked at one by one."""
FEWEST_UNITS_ALIKE = 10
"""So few need no order."""

_Draw: TypeAlias = Callable[[Subject, Sample], Picture]


def pictures(subject: Subject, sample: Sample) -> Iterator[Shown]:
    """Yield them in the order of the page; where one cannot be drawn, why not."""
    for heading, how, draw, rebuilds in _ALL:
        if rebuilds and subject.model.classification is not None:
            continue
        try:
            yield Shown(heading, how, draw(subject, sample))
        except GpuaeError as error:  # such as no history, or values beyond all bounds
            yield Shown(heading, f"There is no such picture: {error}.", None)


def _weights(subject: Subject, sample: Sample) -> Picture:
    units = subject.model.network.layers[0].n_out
    alike = FEWEST_UNITS_ALIKE < units <= MOST_UNITS
    return weights(subject.model, count=min(MOST_UNITS, units), alike=alike)


def _onehot(subject: Subject, sample: Sample) -> Picture:
    most = MOST_UNITS - 1  # the code of zeros comes first
    return onehot(subject.model, count=min(most, subject.model.network.code_size))


def _reconstructions(subject: Subject, sample: Sample) -> Picture:
    own = subject.sample(REBUILT_ROWS)
    return reconstructions(subject.model, own, machine=subject.machine)


def _history(subject: Subject, sample: Sample) -> Picture:
    return history(subject.model)


def _codes(subject: Subject, sample: Sample) -> Picture:
    return codes(subject.model, sample, machine=subject.machine)


def _map(subject: Subject, sample: Sample) -> Picture:
    own = subject.sample(min(MOST_ROWS["pca"], 2000))
    colour = None if own.y is None else "label"
    return code_map(subject.model, own, colour=colour, machine=subject.machine)


def _errors(subject: Subject, sample: Sample) -> Picture:
    return errors(subject.model, sample, machine=subject.machine)


_ALL: tuple[tuple[str, str, _Draw, bool], ...] = (
    (
        "What each unit looks for",
        "The input that excites a unit of the first layer most: strokes, bands or groups of "
        "columns are good signs; noise is a sign of too little training or too many units.",
        _weights,
        False,
    ),
    (
        "Rows and what the model makes of them",
        "The closer a reconstruction is to its row, the more of it the code holds.",
        _reconstructions,
        True,
    ),
    (
        "The course of training",
        "Where the curve of held-out rows turns up while the other one falls, the model learns its "
        "rows by heart; where both still fall, it could learn more.",
        _history,
        False,
    ),
    (
        "The code",
        "How often and how strongly units are active: one that never is, is of no use.",
        _codes,
        False,
    ),
    (
        "What each code unit makes",
        "What is added to a reconstruction where one code unit alone is active.",
        _onehot,
        True,
    ),
    (
        "Map of the codes",
        "Each point is a row; rows close together have like codes.",
        _map,
        False,
    ),
    (
        "Errors of the rows",
        "The farther to the right, the worse a row is rebuilt; a long tail holds unusual rows.",
        _errors,
        True,
    ),
)
