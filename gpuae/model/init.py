"""Initial parameters, from Philox words, so that a seed means the same weights on every device."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import philox
from gpuae.config import Config
from gpuae.functions.activations import ACTIVATIONS
from gpuae.model.network import Layer, Network
from gpuae.model.pca import PrincipalAxes
from gpuae.model.pca_start import pca_start

RADIUS, STIFFNESS, PEAK = 0.5, 3.0, 0.001
"""Constants of the distance-based weights."""


def initial_parameters(
    network: Network,
    config: Config,
    image_shape: tuple[int, ...] | None = None,
    pca: PrincipalAxes | None = None,
    center: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the flat vector (network.size,) that training starts from; biases are zero.

    Weights are uniform in ±√(6/(n_in + n_out)) for glorot (X. Glorot, Y. Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", 2010, equation 16) and in ±√(6/n_in)
    for he (K. He et al., "Delving deep into rectifiers", 2015, equation 10), where an output
    layer without a rectifier is drawn as for glorot. With init=pca the weights reproduce PCA
    (`gpuae.model.pca_start`), where biases are not zero either.

    Parameters
    ----------
    image_shape
        Height and width where the columns are pixels; used by init=distance.
    pca
        Axes of the preprocessed training rows; needed by init=pca.
    center
        What was subtracted from logarithms of counts, (d,), for outputs that are counts.
    """
    flat = np.zeros(network.size)
    views = network.views(flat)
    for layer, own in zip(network.layers, views, strict=True):
        if not layer.transposed:
            own.weight[...] = _weight(layer, config, network, image_shape)
    if config.init == "pca":
        if pca is None:
            raise RuntimeError("init=pca needs the principal axes of the rows")
        pca_start(network, config, pca, flat, center if config.rebuilds_counts else None)
    elif config.decoder == "transpose":
        for layer, mirrored in zip(network.encoder, reversed(network.decoder), strict=True):
            views[mirrored.number - 1].weight[...] = views[layer.number - 1].weight.T
    return flat


def _weight(
    layer: Layer, config: Config, network: Network, image_shape: tuple[int, ...] | None
) -> NDArray[np.float64]:
    if config.init == "distance":
        return _distance_weight(layer, network.columns, image_shape)
    rectifier = ACTIVATIONS[layer.activation].rectifier
    if config.init == "pca":
        he = rectifier
    else:
        he = config.init == "he" and (rectifier or layer is not network.layers[-1])
    limit = math.sqrt(6 / layer.n_in if he else 6 / (layer.n_in + layer.n_out))
    purpose = philox.Purpose.INITIAL_WEIGHTS
    drawn = philox.words(
        config.seed, purpose, np.arange(layer.n_in), layer.n_out, layer=layer.number
    )
    return limit * (2 * philox.uniforms(drawn) - 1)


def _distance_weight(
    layer: Layer, columns: int, image_shape: tuple[int, ...] | None
) -> NDArray[np.float64]:
    """Return peak·(1 + tanh(stiffness·(radius − distance)))/2 for each input and unit.

    Both lie in the unit square (of images; hidden units on the most square grid of their number)
    or on the unit interval: a unit sees its surroundings and starts local.
    """
    plane = image_shape is not None and len(image_shape) >= 2
    inputs, units = (
        _positions(count, image_shape if count == columns else None, plane)
        for count in (layer.n_in, layer.n_out)
    )
    distance = np.linalg.norm(inputs[:, None, :] - units[None, :, :], axis=2)
    return np.asarray(PEAK * (1 + np.tanh(STIFFNESS * (RADIUS - distance))) / 2)


def _positions(count: int, shape: tuple[int, ...] | None, plane: bool) -> NDArray[np.float64]:
    """Place `count` units evenly: (count, 2) in the unit square, or (count, 1) in the interval."""
    if not plane:
        return ((np.arange(count) + 0.5) / count)[:, None]
    height, width = shape[:2] if shape else _squarest(count)
    rows, columns = np.divmod(np.arange(height * width), width)
    grid = np.column_stack([(rows + 0.5) / height, (columns + 0.5) / width])
    return np.repeat(grid, count // len(grid), axis=0)  # a colour image's channels share a place


def _squarest(count: int) -> tuple[int, int]:
    """Return the two factors of `count` that are nearest to each other."""
    height = next(n for n in range(math.isqrt(count), 0, -1) if count % n == 0)
    return height, count // height
