"""The mirrored autoencoder: a decoder with the encoder's widths in reverse."""

from __future__ import annotations

from itertools import pairwise

from gpuae.config import Activation, Config
from gpuae.model.network import Kind, Layer, Network, placed


def mirrored_autoencoder(config: Config, columns: int, categories: tuple[int, ...] = ()) -> Network:
    """Lay out the network of a resolved configuration for data of so many columns.

    The last of the columns are groups of categories of these widths. With decoder=tied the decoder
    uses the encoder's weights, transposed.
    """
    widths = (columns, *config.resolved_hidden)
    encoder = list(pairwise(widths))
    decoder = [(n_out, n_in) for n_in, n_out in reversed(encoder)]
    depth, tied = len(encoder), config.decoder == "tied"
    weights = placed(Kind.WEIGHT, encoder if tied else encoder + decoder, first=0)
    n_weights = weights[-1].place.stop
    biases = placed(Kind.BIAS, [(n_out,) for _, n_out in encoder + decoder], first=n_weights)
    if tied:
        weights += reversed(weights)
    layers = tuple(
        Layer(i + 1, activation, weights[i], biases[i], transposed=tied and i >= depth)
        for i, activation in enumerate(_activations(config, depth))
    )
    return Network(layers, code=depth - 1, categories=categories)


def _activations(config: Config, depth: int) -> list[Activation]:
    """Return the activation of each layer: the code and the output may have their own."""
    if config.output_activation == "auto":
        raise RuntimeError("the configuration has not been resolved")
    _, after = _hidden_activations(config, depth - 1)
    return [*encoder_activations(config), *after, config.output_activation]


def encoder_activations(config: Config) -> list[Activation]:
    """Return the activation of each layer of a resolved configuration's encoder."""
    before, _ = _hidden_activations(config, len(config.resolved_hidden) - 1)
    return [*before, config.code_activation or config.of_layer("activation", -1)]


def _hidden_activations(config: Config, count: int) -> tuple[list[Activation], list[Activation]]:
    """Return those of the `count` layers before the code, and of as many after it."""
    named = config.resolved("activation")
    if isinstance(named, str):
        return [named] * count, [named] * count
    before = list(named[:count])
    return before, list(named[count:]) or before[::-1]
