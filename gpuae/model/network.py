"""Layers, and where their parameters stand in one flat vector.

All weights come first, in the order of the layers, then all biases: optimizers see one array, and
gradients have the same layout. What layers there are is a builder's choice (`autoencoder`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from gpuae.backends.ops import Array
from gpuae.config import Activation

SOFTMAX = "softmax"
"""Activation of a last layer whose units are classes."""


class Kind(Enum):
    """What parameters are."""

    WEIGHT = "weight"
    BIAS = "bias"


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are stored together; two layers that share them have the same group.

    Attributes
    ----------
    place
        In the flat vector.
    shape
        (n_in, n_out) of a weight as it is stored, (n_out,) of a bias.
    decays
        Whether weight decay acts on it.
    trained
        Whether training moves it.
    """

    kind: Kind
    place: slice
    shape: tuple[int, ...]
    decays: bool
    trained: bool = True

    def view(self, flat: Array) -> Array:
        """Return its part of a flat vector in its shape, without copying."""
        return flat[self.place].reshape(self.shape)


@dataclass(frozen=True)
class Layer:
    """One affine map and its activation, f(a·W + b) with W of shape (n_in, n_out)."""

    number: int
    """Counts from 1."""
    activation: Activation
    weight: ParameterGroup
    bias: ParameterGroup
    transposed: bool = False
    """Whether W is the stored weight, of shape (n_out, n_in), transposed."""

    @property
    def n_in(self) -> int:
        """Width of what it is given."""
        return self.weight.shape[1 if self.transposed else 0]

    @property
    def n_out(self) -> int:
        """Number of its units."""
        return self.weight.shape[0 if self.transposed else 1]


@dataclass(frozen=True)
class Parameters:
    """Views of one layer's parts of a flat vector."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Network:
    """Layers from the input to the output, one of which makes the code."""

    layers: tuple[Layer, ...]
    code: int
    """Index of the layer whose activation is the code; −1 where the input is one."""
    categories: tuple[int, ...] = ()
    """Widths of groups of outputs, the last ones, each of which is a softmax of its own."""

    @property
    def encoder(self) -> tuple[Layer, ...]:
        """From the input to the code."""
        return self.layers[: self.code + 1]

    @property
    def decoder(self) -> tuple[Layer, ...]:
        """From the code to the output."""
        return self.layers[self.code + 1 :]

    @property
    def depth(self) -> int:
        """Number of encoder layers."""
        return self.code + 1

    @property
    def columns(self) -> int:
        """Width of the input."""
        return self.layers[0].n_in

    @property
    def outputs(self) -> int:
        """Width of the output, and of the target."""
        return self.layers[-1].n_out

    @property
    def numbers(self) -> int:
        """How many outputs, the first ones, are in no group of categories."""
        return self.outputs - sum(self.categories)

    @property
    def classifies(self) -> bool:
        """Whether the outputs are probabilities of classes."""
        return self.layers[-1].activation == SOFTMAX

    @property
    def code_size(self) -> int:
        """Width of the code."""
        return self.layers[self.code].n_out

    @property
    def groups(self) -> tuple[ParameterGroup, ...]:
        """All parameters once, in the order of the flat vector."""
        used = (group for own in self.layers for group in (own.weight, own.bias))
        by_place = {group.place.start: group for group in used}
        return tuple(by_place[start] for start in sorted(by_place))

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return int(max(layer.bias.place.stop for layer in self.layers))

    @property
    def n_weights(self) -> int:
        """How many leading entries of the flat vector are weights; the rest are biases."""
        return int(max(layer.weight.place.stop for layer in self.layers))

    @property
    def lowest_trained(self) -> int:
        """Index of the first layer that training moves: nothing goes back further."""
        trained = (own.weight.trained or own.bias.trained for own in self.layers)
        return next((i for i, moved in enumerate(trained) if moved), len(self.layers))

    def users(self, weight: ParameterGroup) -> list[int]:
        """Return the indices of the layers that use a weight, the last one first."""
        return [i for i in reversed(range(len(self.layers))) if self.layers[i].weight == weight]

    def biases(self, flat: Array) -> tuple[Array, ...]:
        """Return each layer's part of a vector of all biases, without copying."""
        first = self.n_weights
        places = (layer.bias.place for layer in self.layers)
        return tuple(flat[place.start - first : place.stop - first] for place in places)

    def views(self, flat: Array) -> tuple[Parameters, ...]:
        """Return each layer's weight and bias within a flat vector, without copying."""
        return tuple(
            Parameters(layer.weight.view(flat), layer.bias.view(flat)) for layer in self.layers
        )


def placed(kind: Kind, shapes: Sequence[tuple[int, ...]], first: int) -> list[ParameterGroup]:
    """Lay groups of these shapes out one after the other; weights decay, biases do not."""
    decays = kind is Kind.WEIGHT
    places = _places(shapes, first)
    return [
        ParameterGroup(kind, place, shape, decays)
        for shape, place in zip(shapes, places, strict=True)
    ]


def _places(shapes: Sequence[tuple[int, ...]], first: int) -> Iterator[slice]:
    for shape in shapes:
        size = 1
        for width in shape:
            size *= width
        yield slice(first, first + size)
        first += size
