"""What a model computes, as plain arrays in the order of their use: what every format is made of.

A row is filled where values are missing, scaled, clipped, whitened, and goes through the layers of
the encoder, of whose last activations the k largest may stay. From this code the decoder's layers
make a reconstruction, which is brought back to the data's own units; or one layer makes
probabilities of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.functions.activations import ACTIVATIONS
from gpuae.model.model import Model
from gpuae.model.network import SOFTMAX
from gpuae.model.preprocess import Preprocess

Matrix: TypeAlias = NDArray[Any]
Results: TypeAlias = dict[str, Matrix]
"""Outputs by their names, each with a row for each row of the data."""

CODE, RECONSTRUCTION, SCORE, OUTLIER, PROBABILITIES = OUTPUTS = (
    "code",
    "reconstruction",
    "score",
    "outlier",
    "probabilities",
)
"""All outputs that a model may have."""


@dataclass(frozen=True)
class Dense:
    """One layer, f(a·W + b), with W of shape (n_in, n_out).

    Attributes
    ----------
    groups
        Widths of groups of categories, the last of its outputs, each of which is a softmax.
    """

    weight: Matrix
    bias: Matrix
    activation: str
    groups: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[tuple[int, str], ...]:
        """How many outputs have which activation, in the order of the outputs."""
        numbers = len(self.bias) - sum(self.groups)
        first = ((numbers, self.activation),) if numbers else ()
        return (*first, *((size, SOFTMAX) for size in self.groups))

    def apply(self, a: Matrix) -> Matrix:
        """Return the activations (m, n_out) of rows (m, n_in)."""
        z = a @ self.weight + self.bias
        ends = np.cumsum([size for size, _ in self.parts])[:-1]
        parts = zip(np.split(z, ends, axis=1), self.parts, strict=True)
        return np.concatenate([_activated(own, name) for own, (_, name) in parts], axis=1)


@dataclass(frozen=True)
class Computation:
    """A model as another program needs it.

    Attributes
    ----------
    preprocess
        Of raw rows, in float64.
    encoder, decoder
        Layers in the order of their use; a tied decoder has weights of its own here. Of a
        classifier the decoder is the layer of classes.
    k
        How many of the largest units of a code stay; None: all.
    threshold
        Rows of a larger score are outliers; None: it is not known.
    row_type
        Of rows in the data's own units.
    outputs
        Names of what it has to give.
    """

    preprocess: Preprocess
    encoder: tuple[Dense, ...]
    decoder: tuple[Dense, ...]
    k: int | None
    threshold: float | None
    row_type: np.dtype[Any]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> Computation:
        """Return what a model computes."""
        selects = model.config.code_rule.selects
        layers = _layers(model)
        depth = model.network.depth
        return cls(
            preprocess=model.preprocess,
            encoder=layers[:depth],
            decoder=layers[depth:],
            k=int(model.config.of_layer("k", -1)) if selects else None,
            threshold=model.calibration.threshold if model.calibration else None,
            row_type=model.row_type,
            outputs=_outputs(model),
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the weights, and of what is computed with them."""
        return np.dtype(self.encoder[0].weight.dtype)

    @property
    def columns(self) -> int:
        """Width of the rows."""
        return len(self.encoder[0].weight)

    @property
    def code_size(self) -> int:
        """Width of the code."""
        return len(self.encoder[-1].bias)

    @property
    def classifies(self) -> bool:
        """Whether it ends in probabilities of classes."""
        return self.decoder[-1].activation == SOFTMAX

    def preprocessed(self, rows: Matrix) -> Matrix:
        """Return rows (m, d) as the network sees them, in float64."""
        own = self.preprocess
        filled = rows if own.fill is None else np.where(np.isnan(rows), own.fill, rows)
        return own.forward(filled)

    def units(self, rows: Matrix) -> Matrix:
        """Return the activations (m, k) of the code's layer of rows (m, d), none left out."""
        return _through(self.encoder, self.preprocessed(rows))

    def run(self, rows: Matrix) -> Results:
        """Return all outputs for raw rows (m, d), computed in float64."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            code = selected(self.units(rows), self.k)
            made = _through(self.decoder, code)
            if self.classifies:
                return {CODE: code, PROBABILITIES: made}
            score = ((made - self.preprocessed(rows)) ** 2).mean(axis=1)
            found = {CODE: code, RECONSTRUCTION: self.preprocess.backward(made), SCORE: score}
        if self.threshold is not None:
            found[OUTLIER] = score > self.threshold
        return {name: found[name] for name in self.outputs}


def _activated(z: Matrix, name: str) -> Matrix:
    if name == SOFTMAX:
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(ACTIVATIONS[name].value(z))


def selected(units: Matrix, k: int | None) -> Matrix:
    """Return activations (m, n) of which the k largest of a row stay and the others are 0."""
    if k is None or k >= units.shape[1]:
        return units
    order = np.argsort(-units, axis=1, kind="stable")[:, :k]
    kept = np.zeros_like(units)
    np.put_along_axis(kept, order, np.take_along_axis(units, order, axis=1), axis=1)
    return kept


def _through(layers: Sequence[Dense], rows: Matrix) -> Matrix:
    return reduce(lambda a, layer: layer.apply(a), layers, rows)


def _layers(model: Model) -> tuple[Dense, ...]:
    found = []
    for layer, own in zip(model.network.layers, model.network.views(model.parameters), strict=True):
        weight = np.ascontiguousarray(own.weight.T) if layer.transposed else own.weight
        groups = model.network.categories if layer is model.network.layers[-1] else ()
        found.append(Dense(weight, own.bias, layer.activation, groups))
    return tuple(found)


def _outputs(model: Model) -> tuple[str, ...]:
    """Return the names of what a model has to give.

    A score that compares with training rows is none of them: no network computes it.
    """
    if model.classification is not None:
        return CODE, PROBABILITIES
    if model.config.outlier_score != "mse":
        return CODE, RECONSTRUCTION
    known = model.calibration is not None and model.calibration.threshold is not None
    return (CODE, RECONSTRUCTION, SCORE, *((OUTLIER,) if known else ()))
