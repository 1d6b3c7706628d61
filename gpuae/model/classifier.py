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
    labels = _as_classes(labels, source)
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < FEWEST_CLASSES:
        raise InputError(
            f"{source}: all {len(labels)} rows are of one class, {classes.tolist()[0]!r}; give "
            "labels of two classes or more"
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
    labels = _as_classes(labels, source)
    if (labels.dtype.kind == "i") != (classes.dtype.kind == "i"):
        kinds = {"i": "integers"}
        raise InputError(
            f"{source}: has labels that are {kinds.get(labels.dtype.kind, 'text')} where the "
            f"classifier's are {kinds.get(classes.dtype.kind, 'text')}, such as "
            f"{classes.tolist()[0]!r}; give labels as it was trained with"
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
    return places


def _as_classes(labels: NDArray[Any], source: str) -> NDArray[Any]:
    """Return labels as int64 or strings."""
    if labels.ndim != 1:
        raise InputError(f"{source}: labels have shape {labels.shape}; give one a row, (n,)")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "O":
        labels = _from_objects(labels, source)
    if labels.dtype.kind == "f":
        _check_whole(labels, source)
    if labels.dtype.kind == "U":
        missing = np.flatnonzero(np.char.strip(labels) == "")
        _check_there(missing, source)
        return labels
    if labels.dtype.kind not in "iufb":
        raise InputError(
            f"{source}: labels of type {labels.dtype} are no classes; give integers or strings"
        )
    return labels.astype(np.int64)


def _from_objects(labels: NDArray[Any], source: str) -> NDArray[Any]:
    missing = [i for i, label in enumerate(labels) if label is None or _is_nan(label)]
    _check_there(np.array(missing), source)
    if all(isinstance(label, str) for label in labels):
        return labels.astype(str)
    return np.array(labels.tolist())


def _is_nan(label: object) -> bool:
    return isinstance(label, float | np.floating) and bool(np.isnan(label))


def _check_there(missing: NDArray[Any], source: str) -> None:
    if len(missing):
        raise InputError(
            f"{source}: row {missing[0] + 1} has no label ({len(missing)} in all have none); leave "
            "such rows out, or label them"
        )


def _check_whole(labels: NDArray[Any], source: str) -> None:
    _check_there(np.flatnonzero(np.isnan(labels)), source)
    broken = np.flatnonzero(labels != np.floor(labels))
    if len(broken) or not np.isfinite(labels).all():
        row = int(broken[0]) if len(broken) else int(np.flatnonzero(~np.isfinite(labels))[0])
        raise InputError(
            f"{source}: the label of row {row + 1} is {labels[row]:g}, which is no class; give "
            "integers or strings"
        )
