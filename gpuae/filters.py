"""What a unit's weights look like as an image: how local, how oriented, of what frequency.

A pattern is an array (height, width), several are (units, height, width); of colour images the
channels are a last dimension, over which energies are summed. Every measure is the same for a
pattern times any number but 0, and NaN where there is nothing to measure. Patterns come from a
model by `maximal_inputs`, or by decoding codes of which one unit is active.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.model.model import Model

Floats = NDArray[np.float64]

LOCAL = 0.75
ORIENTED = 0.5
"""An edge filter is more local and more oriented than this."""


def maximal_inputs(model: Model, count: int | None = None) -> Floats:
    """Return what excites each unit of the first layer most, in the data's own units.

    Of all preprocessed inputs of length 1 that is w/‖w‖, w the unit's weights. It is brought back
    through the whitening and the scaling, as a difference from their mean; of counts (scale=log1p),
    as a difference of logarithms.

    Source: A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 4.

    Parameters
    ----------
    model
        That of a fitted estimator, its `model_`.
    count
        Take the first so many units only; None: all.

    Returns
    -------
    ndarray of shape (units, d)
        An input for each unit, as a difference from the mean input.
    """
    weight = np.asarray(model.network.views(model.parameters)[0].weight[:, :count], np.float64)
    longest = np.linalg.norm(weight, axis=0)
    inputs = (weight / np.where(longest > 0, longest, 1.0)).T
    preprocess = model.preprocess
    return preprocess.unscaled(inputs) - preprocess.unscaled(np.zeros_like(inputs[:1]))


def locality(weights: NDArray[Any], *, colour: bool = False) -> Floats:
    """Return how far patterns spread: 0 is one pixel, 1 the whole image evenly.

    √(Σ e·r² / Σ e) over its value for a uniform pattern, (height² + width² − 2)/12 under the root;
    e is the squared weight of a pixel, r its distance to the centre of gravity of all e. A pattern
    that is strongest at opposite borders has more than 1.

    Source: the width of a signal as in D. Gabor, "Theory of communication", 1946.

    Parameters
    ----------
    weights
        Patterns (units, height, width), or one without units; of colours, with channels last.
    colour
        Whether the last dimension is one of channels.

    Returns
    -------
    ndarray of shape () or (units,)
        NaN for a pattern of zeros.

    Raises
    ------
    ValueError
        For an array of another number of dimensions.
    """
    share = _share((_channels_first(weights, colour) ** 2).sum(axis=-3))
    height, width = share.shape[-2:]
    spread = _variance(share.sum(axis=-1)) + _variance(share.sum(axis=-2))
    uniform = (height**2 + width**2 - 2) / 12
    return np.asarray(np.sqrt(spread / uniform))


def orientation(weights: NDArray[Any], *, colour: bool = False) -> tuple[Floats, Floats]:
    """Return how far patterns vary in one direction only, from 0 to 1, and that direction.

    The structure tensor, summed over the pattern, T = Σ [[x², xy], [xy, y²]] of the gradients
    (x across, y down) has eigenvalues a ≥ b: the coherence is (a − b)/(a + b). A gradient is that
    of four neighbouring pixels, so the border of the image is no edge.

    Source: J. Bigün, G. Granlund, "Optimal orientation detection of linear symmetry", 1987.

    Parameters
    ----------
    weights
        Patterns (units, height, width), or one without units; of colours, with channels last.
    colour
        Whether the last dimension is one of channels.

    Returns
    -------
    coherence : ndarray of shape () or (units,)
        (a − b)/(a + b).
    angle : ndarray of shape () or (units,)
        In radians from −π/2 to π/2, in which the pattern varies: 0 across and π/2 down.

    Raises
    ------
    ValueError
        For an array of another number of dimensions.
    """
    values = _channels_first(weights, colour)
    down, right = np.diff(values, axis=-2), np.diff(values, axis=-1)
    y = (down[..., :, 1:] + down[..., :, :-1]) / 2
    x = (right[..., 1:, :] + right[..., :-1, :]) / 2
    xx, yy, xy = (np.sum(product, axis=(-3, -2, -1)) for product in (x * x, y * y, x * y))
    with np.errstate(invalid="ignore"):
        coherence = np.minimum(np.hypot(xx - yy, 2 * xy) / (xx + yy), 1.0)
    angle = np.where(xx + yy > 0, np.arctan2(2 * xy, xx - yy) / 2, np.nan)
    return np.asarray(coherence), angle


def frequency(weights: NDArray[Any], *, colour: bool = False) -> tuple[Floats, Floats]:
    """Return the mean frequency of patterns, in cycles a pixel, and how widely theirs spread.

    Mean and standard deviation of ρ = √(u² + v²), weighted by the power of each frequency (u, v) of
    the pattern, which is padded by zeros to twice its size. White noise has 0.383 and 0.142; what
    passes a band has less of the second than of the first.

    Parameters
    ----------
    weights
        Patterns (units, height, width), or one without units; of colours, with channels last.
    colour
        Whether the last dimension is one of channels.

    Returns
    -------
    mean : ndarray of shape () or (units,)
        Of the frequencies, in cycles a pixel.
    spread : ndarray of shape () or (units,)
        Their standard deviation.

    Raises
    ------
    ValueError
        For an array of another number of dimensions.
    """
    values = _channels_first(weights, colour)
    padded = tuple(2 * size for size in values.shape[-2:])
    share = _share((np.abs(np.fft.fft2(values, padded)) ** 2).sum(axis=-3))
    radius = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, padded), indexing="ij"))
    mean = (share * radius).sum(axis=(-2, -1))
    second = (share * radius**2).sum(axis=(-2, -1))
    return np.asarray(mean), np.sqrt(np.maximum(second - mean**2, 0.0))


def edges(weights: NDArray[Any], *, colour: bool = False) -> NDArray[np.bool_]:
    """Return whether patterns are local and oriented as edge filters are, by `LOCAL`, `ORIENTED`.

    Parameters
    ----------
    weights
        Patterns (units, height, width), or one without units; of colours, with channels last.
    colour
        Whether the last dimension is one of channels.

    Returns
    -------
    ndarray of bool of shape () or (units,)
        True for what is like an edge.

    Raises
    ------
    ValueError
        For an array of another number of dimensions.
    """
    coherence, _ = orientation(weights, colour=colour)
    return np.asarray((locality(weights, colour=colour) < LOCAL) & (coherence > ORIENTED))


def _channels_first(weights: NDArray[Any], colour: bool) -> Floats:
    """Return patterns as (…, channels, height, width), one channel where there are no colours."""
    values = np.asarray(weights, np.float64)
    if not 2 <= values.ndim - colour <= 3:
        wanted = "(units, height, width, channels)" if colour else "(units, height, width)"
        raise ValueError(f"weights: have shape {values.shape}; give {wanted}, or without units")
    return np.moveaxis(values, -1, -3) if colour else values[..., None, :, :]


def _share(energy: Floats) -> Floats:
    """Return energies (…, height, width) as shares of their sum; NaN where that is 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(energy / energy.sum(axis=(-2, -1), keepdims=True))


def _variance(share: Floats) -> Floats:
    """Return the variance of the place along the last axis, whose shares (…, n) add up to 1."""
    place = np.arange(share.shape[-1])
    mean = (share * place).sum(axis=-1)
    return np.asarray((share * place**2).sum(axis=-1) - mean**2)
