"""The layers of an autoencoder and where their parameters stand in one flat vector.

All weights come first, in the order of the layers, then all biases: weight decay acts on a leading
part of the vector, optimizers see one array, and gradients have the same layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from gpuae.backends.ops import Array
from gpuae.config import Activation, Config


@dataclass(frozen=True)
class Layer:
    """One affine map and its activation: f(a·W + b), W of shape (n_in, n_out)."""

    number: int
    """Counts from 1 through the encoder and on through the decoder."""
    n_in: int
    n_out: int
    activation: Activation
    weight: slice
    bias: slice
    shared: bool = False
    """A tied decoder layer: it uses an encoder weight, of shape (n_out, n_in), transposed."""

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Shape of the weight as it is stored."""
        return (self.n_out, self.n_in) if self.shared else (self.n_in, self.n_out)


@dataclass(frozen=True)
class Parameters:
    """Views of one layer's part of a flat vector."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Network:
    """Encoder and mirrored decoder."""

    layers: tuple[Layer, ...]
    n_weights: int
    """How many leading entries of the flat vector are weights; the rest are biases."""
    size: int
    """Length of the flat vector."""

    @classmethod
    def build(cls, config: Config, columns: int) -> Network:
        """Lay out the network of a resolved configuration for data of so many columns."""
        widths = (columns, *config.resolved_hidden)
        encoder = list(pairwise(widths))
        decoder = [(n_out, n_in) for n_in, n_out in reversed(encoder)]
        shapes = encoder + decoder
        tied = config.decoder == "tied"
        stored = encoder if tied else shapes
        weights = list(_slices((n_in * n_out for n_in, n_out in stored), start=0))
        if tied:
            weights += reversed(weights)
        n_weights = max(place.stop for place in weights)
        biases = list(_slices((n_out for _, n_out in shapes), start=n_weights))
        layers = tuple(
            Layer(
                number=i + 1,
                n_in=n_in,
                n_out=n_out,
                activation=config.resolved("activation"),
                weight=weights[i],
                bias=biases[i],
                shared=tied and i >= len(encoder),
            )
            for i, (n_in, n_out) in enumerate(shapes)
        )
        return cls(_with_ends(layers, config), n_weights, biases[-1].stop)

    @property
    def depth(self) -> int:
        """Number of encoder layers."""
        return len(self.layers) // 2

    @property
    def encoder(self) -> tuple[Layer, ...]:
        """From the input to the code."""
        return self.layers[: self.depth]

    @property
    def decoder(self) -> tuple[Layer, ...]:
        """From the code to the output."""
        return self.layers[self.depth :]

    @property
    def columns(self) -> int:
        """Width of the input and the output."""
        return self.layers[0].n_in

    @property
    def code(self) -> int:
        """Index of the layer whose activation is the code."""
        return self.depth - 1

    @property
    def code_size(self) -> int:
        """Width of the code."""
        return self.layers[self.code].n_out

    def biases(self, flat: Array) -> tuple[Array, ...]:
        """Return each layer's part of a vector of all biases, without copying."""
        first = self.n_weights
        return tuple(
            flat[layer.bias.start - first : layer.bias.stop - first] for layer in self.layers
        )

    def views(self, flat: Array) -> tuple[Parameters, ...]:
        """Return each layer's weight and bias within a flat vector, without copying."""
        return tuple(
            Parameters(flat[layer.weight].reshape(layer.weight_shape), flat[layer.bias])
            for layer in self.layers
        )


def _slices(sizes: Iterable[int], start: int) -> Iterator[slice]:
    ends = accumulate(sizes, initial=start)
    return (slice(low, high) for low, high in pairwise(ends))


def _with_ends(layers: tuple[Layer, ...], config: Config) -> tuple[Layer, ...]:
    """Give the code and the output activations of their own."""
    if config.output_activation == "auto":
        raise RuntimeError("the configuration has not been resolved")
    code = len(layers) // 2 - 1
    changed = list(layers)
    changed[-1] = replace(layers[-1], activation=config.output_activation)
    if config.code_activation is not None:
        changed[code] = replace(changed[code], activation=config.code_activation)
    return tuple(changed)
