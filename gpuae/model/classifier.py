"""A classifier: the encoder of an autoencoder and a layer of classes on its code."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.autoencoder import encoder_activations
from gpuae.model.labels import as_classes
from gpuae.model.network import SOFTMAX, Kind, Layer, Network, placed

FEWEST_CLASSES = 2
MOST_CLASSES = 10_000
SHOWN_LABELS = 5


@dataclass(frozen=True)
class Classification:
    """What makes a network a classifier.

    Attributes
    ----------
    classes
        The labels that its outputs stand for, (classes,), ascending: integers or strings.
    config
        Resolved settings of its training.
    """

    classes: NDArray[Any]
    config: FinetuneConfig


def classifier_network(config: Config, columns: int, classes: int) -> Network:
    """Lay out the encoder of a resolved configuration, and a softmax layer on its code."""
    widths = (columns, *config.resolved_hidden, classes)
    names = (*encoder_activations(config), SOFTMAX)
    return _network(widths, names, code=len(widths) - 3)


def softmax_layer(code_size: int, classes: int) -> Network:
    """Lay out a softmax layer alone, whose input is the code."""
    return _network((code_size, classes), (SOFTMAX,), code=-1)


def _network(widths: tuple[int, ...], activations: tuple[str, ...], code: int) -> Network:
    shapes = list(pairwise(widths))
    weights = placed(Kind.WEIGHT, shapes, first=0)
    biases = placed(Kind.BIAS, [(n_out,) for _, n_out in shapes], first=weights[-1].place.stop)
    layers = tuple(
        Layer(i + 1, activation, weights[i], biases[i]) for i, activation in enumerate(activations)
    )
    return Network(layers, code)


def classes_of(labels: NDArray[Any], source: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes (c,), ascending, that labels (n,) name, and the number of each row's.

    Whole numbers and truth values become int64; strings stay.

    Raises
    ------
    InputError
        For labels that are missing or no classes, and for fewer than two classes.
    """
    classes, numbers = np.unique(as_classes(labels, source), return_inverse=True)
    if len(classes) < FEWEST_CLASSES:
        only = f", {classes.tolist()[0]!r}" if len(classes) else ""
        raise InputError(
            f"{source}: all {len(labels)} rows are of one class{only}; give labels of two classes "
            "or more"
        )
    if len(classes) > MOST_CLASSES:
        raise InputError(
            f"{source}: has {len(classes)} classes in {len(labels)} rows, which looks like numbers "
            f"or names rather than classes; give at most {MOST_CLASSES}"
        )
    return classes, numbers


def numbers_of(labels: NDArray[Any], classes: NDArray[Any], source: str) -> NDArray[np.int64]:
    """Return which of the classes (c,) each label (n,) is, by number.

    Raises
    ------
    InputError
        For labels that are missing, no classes, or of a class that is not among them.
    """
    labels = as_classes(labels, source)
    kinds = ["integers" if own.dtype.kind == "i" else "text" for own in (labels, classes)]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{source}: has labels that are {kinds[0]} where the classifier's are {kinds[1]}, such "
            f"as {classes.tolist()[0]!r}; give labels as it was trained with"
        )
    places = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    unknown = np.flatnonzero(classes[places] != labels)
    if len(unknown):
        names = sorted(set(labels[unknown].tolist()))
        shown = ", ".join(map(repr, names[:SHOWN_LABELS]))
        more = f" and {len(names) - SHOWN_LABELS} more" if len(names) > SHOWN_LABELS else ""
        raise InputError(
            f"{source}: row {unknown[0] + 1} is of a class that training did not see ({shown}"
            f"{more}); leave such rows out, or train with them"
        )
    return np.asarray(places, np.int64)
