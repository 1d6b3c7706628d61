"""Initial parameters that make a network reproduce PCA before its first step.

The scores of the rows along their leading principal axes are carried from layer to layer: each
layer computes them from what the layer before it makes of them, as far as its activation is linear.
Rectifiers carry a score s exactly by a pair of units, f(s) and f(−s), or, where units are short, by
f(s + shift) with a shift that keeps nearly all rows where f is straight; tanh and sigmoid carry it
scaled down to where they are nearly linear (`carries` in the records of the activations). The code
has the first k scores and the output layer undoes it all, so that the network starts as PCA with k
axes. Units that are left over are drawn at random and nothing reads them yet: training finds what
they are good for.

For the idea: H. Bourlard, Y. Kamp, "Auto-association by multilayer perceptrons and singular value
decomposition", 1988; P. Baldi, K. Hornik, "Neural networks and principal component analysis", 1989.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.functions.activations import ACTIVATIONS, OUTPUT_MARGIN, Activation, Nearly, Pairs
from gpuae.model.network import Layer, Network, Parameters
from gpuae.model.pca import PrincipalAxes
from gpuae.model.statistics import Vector

NEARLY_LINEAR = 0.1
"""Deviation of what tanh is given of a score: its cubic term is then a thousandth of it."""
SHIFT = 4.0
"""Deviations that a score is shifted by where one unit has to carry what needs a pair."""
SMALLEST_SHARE = 1e-3
"""A score's deviation counts as at least this share of the largest one."""
READ_AT_ONCE = 1e-3
"""Share of their random weights that left-over units of a tied network, which are read, get."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """How the scores of rows are read from a layer's units: (a − middle)·read.

    Attributes
    ----------
    shift, middle
        What the units are given and what they are for a row whose scores are zero, (n,).
    read
        (n, q).
    deviations
        Of the scores, (q,).
    """

    shift: Vector
    middle: Vector
    read: Matrix
    deviations: Vector

    def first(self, count: int) -> Scores:
        """Leave the others out."""
        return replace(self, read=self.read[:, :count], deviations=self.deviations[:count])


def pca_start(
    network: Network,
    config: Config,
    pca: PrincipalAxes,
    flat: Vector,
    center: Vector | None = None,
) -> None:
    """Turn flat (network.size,), which holds random weights, into the start that is PCA.

    `center` (d,) is what was subtracted from the rows, where they are logarithms and the outputs
    are counts.

    A decoder that shares the encoder's weights, or starts with them, is PCA's where the activations
    are undone by that (relu, identity), and near it otherwise.
    """
    mirrored = config.decoder != "untied"
    unit = 1.0 if mirrored else _typical_deviation(pca, network.code_size)
    views = network.views(flat)
    scores = Scores(pca.mean, pca.mean, pca.axes / unit, np.sqrt(pca.variances) / unit)
    encoded = []
    for layer, own in zip(network.encoder, views, strict=False):
        if layer.number == network.depth:
            scores = scores.first(layer.n_out)
        scores = _carry(layer, own, scores, network.code_size, mirrored)
        encoded.append(scores)
    if mirrored:
        _mirror(network, views, encoded, _inverse(network, pca, network.code_size, center)[0])
        return
    for layer, own in zip(network.decoder[:-1], views[network.depth :], strict=False):
        scores = _carry(layer, own, scores, network.code_size, mirrored)
    count = len(scores.deviations)
    start, slope = _inverse(network, pca, count, center)
    views[-1].weight[...] = scores.read @ (unit * pca.axes[:, :count].T) / slope
    views[-1].bias[:] = start - scores.middle @ views[-1].weight


def _inverse(
    network: Network, pca: PrincipalAxes, count: int, center: Vector | None
) -> tuple[Vector, Vector]:
    """Return what the output layer is given for a mean row, and its slope there."""
    deviation = np.sqrt(pca.axes[:, :count] ** 2 @ pca.variances[:count])
    inverse = ACTIVATIONS[network.layers[-1].activation].inverse
    if center is not None:
        return _of_counts(inverse, pca.mean + center, deviation)
    start, slope = map(np.array, inverse(pca.mean, deviation))
    own = slice(network.numbers, None)
    start[own], slope[own] = _of_probabilities(pca.mean[own], deviation[own])
    return start, slope


def _of_counts(
    inverse: Callable[[Vector, Vector], tuple[Vector, Vector]], logs: Vector, deviation: Vector
) -> tuple[Vector, Vector]:
    """Return the same for counts x whose ln(1 + x) have these means, for their deviations.

    These move x by 1 + x times as much.
    """
    counts = np.expm1(logs + deviation**2 / 2)
    start, slope = inverse(counts, (1 + counts) * deviation)
    return start, slope / (1 + counts)


def _of_probabilities(mean: Vector, deviation: Vector) -> tuple[Vector, Vector]:
    """Return logits whose softmax are these means, and slopes that keep the likely ones finite.

    The logarithm's own slope, the mean, would take what is rare to be certain at the least sign of
    it: a deviation moves a logit by 1 at most.
    """
    inside = np.maximum(mean, OUTPUT_MARGIN)
    return np.log(inside), np.maximum(inside, deviation)


def _typical_deviation(pca: PrincipalAxes, code_size: int) -> float:
    """Return the root of the mean variance along the code's axes, by which scores are divided."""
    kept = pca.variances[:code_size]
    return float(np.sqrt(kept.mean())) if len(kept) else 1.0


def _carry(layer: Layer, own: Parameters, scores: Scores, needed: int, mirrored: bool) -> Scores:
    """Let a layer's first units compute the scores; return how they are read from it.

    At least `needed` scores are carried, if there are units enough.
    """
    units = _units(ACTIVATIONS[layer.activation], layer.n_out, scores.deviations, needed, mirrored)
    count, used = units.send.shape
    own.weight[:, :used] = scores.read[:, :count] @ units.send
    if mirrored:
        own.weight[:, used:] *= READ_AT_ONCE
    shift, middle, read = (
        np.zeros(layer.n_out),
        np.zeros(layer.n_out),
        np.zeros((layer.n_out, count)),
    )
    shift[:used], middle[:used], read[:used] = units.shift, units.middle, units.receive
    own.bias[:] = shift - scores.middle @ own.weight
    return Scores(shift, middle, read, scores.deviations[:count])


def _mirror(
    network: Network, views: tuple[Parameters, ...], encoded: list[Scores], start: Vector
) -> None:
    """Give the decoder the encoder's weights, turned, and biases by which a mean row stays one.

    `start` (d,) is what the output layer is given for it.
    """
    middle = encoded[-1].middle
    for layer, twin in zip(network.decoder, reversed(network.encoder), strict=True):
        own, weight = views[layer.number - 1], views[twin.number - 1].weight.T
        if not layer.transposed:
            own.weight[...] = weight
        if twin.number > 1:
            before = encoded[twin.number - 2]
            own.bias[:] = before.shift - middle @ weight
            middle = before.middle
        else:
            own.bias[:] = start - middle @ weight


@dataclass(frozen=True)
class _Units:
    """Units that carry q scores: f(s·send + shift), read by (a − middle)·receive.

    `send` is (q, used), `shift` and `middle` (used,), `receive` (used, q); middle is f(shift).
    """

    send: Matrix
    shift: Vector
    middle: Vector
    receive: Matrix


def _units(
    activation: Activation, room: int, deviations: Vector, needed: int, mirrored: bool
) -> _Units:
    """Choose how `room` units carry scores of these deviations."""
    own, available = activation.carries, len(deviations)
    if isinstance(own, Pairs):
        needed = min(needed, available, room)
        count = min(available, room // 2) if room // 2 >= needed else needed
        return _pairs(activation, own, room, deviations[:count])
    count = min(available, room)
    shift = np.zeros(count)
    if isinstance(own, Nearly):
        small = np.ones(count) if mirrored else _small(deviations[:count])
        send, receive = own.reach * small, 1 / (own.slope * own.reach) / small
    else:
        send = receive = np.ones(count)
    return _Units(np.diag(send), shift, activation.value(shift), np.diag(receive))


def _small(deviations: Vector) -> Vector:
    """Return factors that bring scores to where tanh is nearly linear."""
    least = SMALLEST_SHARE * deviations.max(initial=0.0)
    return NEARLY_LINEAR / np.maximum(deviations, least or 1.0)


def _pairs(activation: Activation, own: Pairs, room: int, deviations: Vector) -> _Units:
    """Carry as many scores as there is room for by pairs, and the last of them by one unit each."""
    count = len(deviations)
    pairs = min(count, room - count)
    one = np.eye(count)
    send = np.hstack([one[:, :pairs], -one[:, :pairs], one[:, pairs:]])
    above = SHIFT * deviations[pairs:] + own.straight_from
    shift = np.concatenate([np.zeros(2 * pairs), above])
    receive = send.T.copy()
    receive[: 2 * pairs] /= own.gain
    return _Units(send, shift, activation.value(shift), receive)
