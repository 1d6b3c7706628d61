"""How the gradient of a step, and the parameters, are shared out.

The gradient of a weight is a sum over all rows of a block, so it is not summed by lanes: each
weight is cut into some of its rows, and one thread computes such a slice from the whole block. What
slices there are follows from the network and the number of lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from gpuae.model.network import Kind, Network, ParameterGroup

SMALLEST_SLICE = 1 << 12
"""A weight is not cut into slices with fewer entries."""
ALIGNED_ROWS = 4
"""Slices start at multiples of what the products' inner loops take at once."""


@dataclass(frozen=True)
class GradientSlice:
    """Some rows of a weight as it is stored, or biases that follow each other.

    Attributes
    ----------
    weight
        None for biases.
    rows
        Of the weight.
    place
        In the flat vector.
    """

    weight: ParameterGroup | None
    rows: slice
    place: slice

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.place.stop - self.place.start)


@dataclass(frozen=True)
class Region:
    """Parameters that are moved at once; weight decay acts on the first `decayed` of them."""

    place: slice
    decayed: int

    def goes_on_with(self, other: Region) -> bool:
        """Whether the other one follows, and those that decay come first in both together."""
        follows = other.place.start == self.place.stop
        return follows and (not other.decayed or self.decayed == self.place.stop - self.place.start)


def gradient_slices(network: Network, lanes: int) -> list[GradientSlice]:
    """Cut all that is trained: each weight into half as many slices as lanes, but two of two lanes.

    There are two weights or more (unless they are tied), so all threads have work; and fewer slices
    mean fewer times that a product copies its other factor into the order it needs.
    """
    count = max(min(lanes, 2), lanes // 2)
    trained = [group for group in network.groups if group.trained]
    weights = (group for group in trained if group.kind is Kind.WEIGHT)
    slices = [own for weight in weights for own in _slices(weight, count)]
    biases = _joined(group.place for group in trained if group.kind is Kind.BIAS)
    return slices + [GradientSlice(None, slice(0, 0), place) for place in biases]


def _slices(weight: ParameterGroup, most: int) -> Iterator[GradientSlice]:
    rows, columns = weight.shape
    units = -(-rows // ALIGNED_ROWS)
    count = max(1, min(most, units, rows * columns // SMALLEST_SLICE))
    cuts = [min(ALIGNED_ROWS * (units * i // count), rows) for i in range(count + 1)]
    first = weight.place.start
    for low, high in pairwise(cuts):
        place = slice(first + low * columns, first + high * columns)
        yield GradientSlice(weight, slice(low, high), place)


def regions_of(slices: Iterable[GradientSlice], *, decay: bool) -> list[Region]:
    """Return the parameters of each slice as a region; `decay` says whether weights decay."""
    return [
        Region(own.place, own.size if decay and own.weight and own.weight.decays else 0)
        for own in slices
    ]


def joined_regions(slices: Iterable[GradientSlice], *, decay: bool) -> list[Region]:
    """Return the same parameters in as few regions as there can be."""
    joined: list[Region] = []
    for own in regions_of(slices, decay=decay):
        if joined and joined[-1].goes_on_with(own):
            place = slice(joined[-1].place.start, own.place.stop)
            joined[-1] = Region(place, joined[-1].decayed + own.decayed)
        else:
            joined.append(own)
    return joined


def _joined(places: Iterable[slice]) -> list[slice]:
    """Join places that follow each other."""
    joined: list[slice] = []
    for place in places:
        if joined and joined[-1].stop == place.start:
            joined[-1] = slice(joined[-1].start, place.stop)
        else:
            joined.append(place)
    return joined
