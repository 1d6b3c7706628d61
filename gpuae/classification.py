"""How good a classifier is on labelled rows, and what it makes of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.errors import InputError
from gpuae.machine import ANY, Machine
from gpuae.model.classifier import numbers_of
from gpuae.model.model import Model
from gpuae.model.statistics import RowWeights, total_weight, weighted_sum
from gpuae.storage.rows.lazy_rows import AnyRows


@dataclass(frozen=True)
class ClassFigures:
    """Of the rows of one class: precision is of what was taken for it, recall of what is it."""

    label: int | str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassifierFigures:
    """What `evaluate` measures of a classifier, each row by its weight.

    Attributes
    ----------
    accuracy
        Share of the rows whose likeliest class is theirs.
    balanced_accuracy
        Mean of the recalls of the classes that the rows have.
    log_loss
        Mean of −ln p of a row's own class.
    majority
        Share of the rows that are of their most frequent class: what a guess would reach.
    confusion
        Rows of class i that were taken for class j, or their weight, (classes, classes).
    by_class
        In the order of the confusion matrix.
    """

    rows: int
    columns: int
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    majority: float
    confusion: list[list[float]]
    by_class: list[ClassFigures]


def probabilities(
    model: Model, x: AnyRows, *, note: encoding.Note | None = None, machine: Machine = ANY
) -> NDArray[np.float32]:
    """Return the probability of each class of the rows of x (n, d), (n, classes)."""
    out = np.empty((len(x), model.network.outputs), np.float32)
    encoding.classify(model, x, encoding.into(out), note=note, machine=machine)
    return out


def predictions(found: NDArray[Any], classes: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return probabilities (m, classes) as rows (m,) of `storage.features.prediction_type`."""
    rows = np.empty(len(found), dtype)
    likeliest = found.argmax(axis=1)
    if "class_index" in (dtype.names or ()):
        rows["class_index"], rows["probability"] = likeliest, found
        return rows
    rows["class"] = classes[likeliest]
    for column, name in enumerate((dtype.names or ())[1:]):
        rows[name] = found[:, column]
    return rows


def evaluate(
    model: Model,
    x: AnyRows,
    labels: NDArray[Any],
    *,
    source: str = "labels",
    note: encoding.Note | None = None,
    machine: Machine = ANY,
    weights: RowWeights = None,
) -> ClassifierFigures:
    """Measure a classifier on rows x (n, d) and their labels (n,).

    Parameters
    ----------
    source
        What messages call the labels.
    weights
        How much each row counts, (n,).

    Raises
    ------
    InputError
        For labels that are missing, of another number than the rows, or of a class that training
        did not see.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    if len(labels) != len(x):
        raise InputError(f"{source}: has {len(labels)} labels for {len(x)} rows; give one a row")
    classes = encoding.check_classifies(model).classes
    true = numbers_of(labels, classes, source)
    taken, own = np.empty(len(true), np.int64), np.empty(len(true))

    def judge(start: int, found: NDArray[Any]) -> None:
        rows = slice(start, start + len(found))
        taken[rows] = found.argmax(axis=1)
        own[rows] = found[np.arange(len(found)), true[rows]]

    encoding.classify(model, x, judge, note=note, machine=machine)
    every = np.arange(len(classes))
    confusion = confusion_matrix(true, taken, labels=every, sample_weight=weights)
    precision, recall, f1, size = precision_recall_fscore_support(
        true, taken, labels=every, zero_division=0, sample_weight=weights
    )
    rows, whole = np.bincount(true, minlength=len(classes)), total_weight(len(x), weights)
    return ClassifierFigures(
        rows=len(x),
        columns=x.shape[1],
        accuracy=float(weighted_sum(true == taken, weights) / whole),
        balanced_accuracy=float(recall[size > 0].mean()),
        log_loss=_log_loss(own, weights),
        majority=float(size.max() / whole),
        confusion=confusion.tolist(),
        by_class=[
            ClassFigures(label, int(count), float(p), float(r), float(f))
            for label, count, p, r, f in zip(
                classes.tolist(), rows, precision, recall, f1, strict=True
            )
        ],
    )


def _log_loss(own: NDArray[np.float64], weights: RowWeights) -> float:
    """Return the mean of −ln p of the true classes (n,); of a p of 0 that of the least float32."""
    losses = -np.log(np.maximum(own, np.finfo(np.float32).tiny))
    return float(weighted_sum(losses, weights) / total_weight(len(own), weights))
