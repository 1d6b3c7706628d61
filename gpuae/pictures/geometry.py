"""How rows look: images, curves, or bars with the names of their columns.

Decided once for all pictures of a model's rows. Rows are images only where their shape is known:
784 columns are no image because 784 is a square.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gpuae.model.model import Model
from gpuae.pictures.picture import Axes, Profiles, Tiles, Vector

MOST_BARS = 40
"""Of more columns a curve is drawn."""
FEWEST_OF_A_CURVE = 3
MOST_CHANNELS = 8
"""Of images; they stand side by side where they are not one (grey) or three (colours)."""
PLOT_ASPECT, BARS_ASPECT = 1.6, 8.0
"""Width over height of a small plot of a curve, and of a bar."""
PAGE_ASPECT = 4 / 3
"""Of what many small plots make together; images make a square."""
ROUNDING = 1e-9
OWN_UNITS, SCALED_UNITS = "data's own units", "scaled units"

_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(|[^\d\s.,+-]\S{0,11})\s*")
"""With a unit or none, as `1100`, `1102.5 nm` or `4000cm-1`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """What a row of d columns is drawn as, and in which units.

    Attributes
    ----------
    shape
        Of images, as their row is stored; None for others.
    x
        Where each column stands (d,): the number in its name, else its place counted from 1.
    names
        Of all columns, for bars.
    axis
        What columns are called.
    center, factor
        Values are shown as (value − center)·factor, (d,). They are 0 and 1 but for columns of
        different units, which have no common scale other than that of the model's preprocessing.
    """

    kind: Literal["images", "curves", "bars"]
    x: Vector
    center: Vector
    factor: Vector
    shape: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    axis: str = "column"

    @classmethod
    def of(cls, model: Model) -> Geometry:
        """Look at the shape, the names and the scaling of a model's columns."""
        count, own = model.network.columns, model.preprocess
        places = np.arange(1.0, count + 1)
        center, factor = np.zeros(count), np.ones(count)
        if is_image(model.image_shape):
            return cls("images", places, center, factor, model.image_shape)
        found = numbers_in(model.feature_names or ())
        if found is not None:
            numbers, unit = found
            axis = f"column, {unit}" if unit else "column"
            return cls("curves", numbers, center, factor, axis=axis)
        if np.ptp(own.factor):
            center, factor = own.center, own.factor
        names = model.feature_names or tuple(f"{place:.0f}" for place in places)
        if count <= MOST_BARS:
            return cls("bars", places, center, factor, names=names)
        return cls("curves", places, center, factor, axis="number of column")

    @property
    def units(self) -> str:
        """What shown values are in, in words."""
        plain = (self.factor == 1).all() and not self.center.any()
        return OWN_UNITS if plain else SCALED_UNITS

    @property
    def described(self) -> str:
        """Say what rows are drawn as."""
        if self.kind == "images":
            height, width, channels = _sides(self.shape or ())
            what = {1: "", 3: " in colours"}.get(channels, f" of {channels} channels")
            return f"as images of {height} by {width} pixels{what}"
        count = len(self.x)
        columns = "one column" if count == 1 else f"{count:,} columns"
        return (
            f"as {self.kind} over {columns}" if self.kind == "curves" else f"as bars of {columns}"
        )

    def shown(self, rows: NDArray[np.generic]) -> Floats:
        """Return rows (..., d) of the data's own units as they are shown."""
        return np.asarray((np.asarray(rows, np.float64) - self.center) * self.factor)

    def shown_differences(self, rows: NDArray[np.generic]) -> Floats:
        """Return differences between rows (..., d) as they are shown."""
        return np.asarray(np.asarray(rows, np.float64) * self.factor)

    def across(self, count: int) -> int:
        """Return how many of so many images or plots stand in a row, to make a pleasing whole.

        A little more or less where that leaves fewer places empty.
        """
        wanted = math.sqrt(count / self._aspect)
        choices = range(max(1, round(0.8 * wanted)), max(1, round(1.25 * wanted)) + 1)
        return min(choices, key=lambda own: -count % own / count + abs(math.log(own / wanted)))

    @property
    def _aspect(self) -> float:
        """Width over height of one of many, over that of the whole."""
        if self.kind == "images":
            height, width = self.images(np.zeros((1, len(self.x)))).shape[1:3]
            return float(width / height)
        own = PLOT_ASPECT if self.kind == "curves" else BARS_ASPECT / len(self.x)
        return own / PAGE_ASPECT

    def images(self, rows: Floats) -> Floats:
        """Return rows (n, d) as images (n, height, width) or (n, height, width, 3).

        Channels that are no colours stand side by side, with a gap of NaN between them.
        """
        height, width, channels = _sides(self.shape or ())
        if self.shape is not None and _channels_first(self.shape):
            stacked = rows.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        else:
            stacked = rows.reshape(-1, height, width, channels)
        if channels in (1, 3):
            return stacked[..., 0] if channels == 1 else stacked
        gap = np.full((len(rows), height, 1), np.nan)
        parts = [part for own in range(channels) for part in (gap, stacked[..., own])]
        return np.concatenate(parts[1:], axis=2)

    def tiles(
        self,
        title: str,
        sets: Sequence[Floats],
        *,
        span: tuple[float, float],
        labels: tuple[str, ...] = (),
        captions: tuple[str, ...] = (),
        across: int | None = None,
        scale: str = "",
    ) -> Tiles:
        """Draw s sets of shown rows (n, d) as images, those of a set beside each other.

        Where they do not fit into one row of images, the sets follow each other again.

        Parameters
        ----------
        span
            The values of black and of white.
        labels
            Of the sets, (s,).
        captions
            Of all images, of one set after the other, (s·n,).
        """
        count = len(sets[0])
        across = across or (count if len(sets) > 1 else self.across(count))
        images = [self.images(own) for own in sets]
        order = _interleaved(len(sets), count, across)
        every = np.concatenate([*images, np.full((1, *images[0].shape[1:]), np.nan)])
        words = (*captions, "")
        return Tiles(
            title,
            every[order],
            across,
            captions=tuple(words[own] for own in order) if captions else (),
            rows=labels * -(-count // across),
            low=span[0],
            high=span[1],
            scale=scale,
        )

    def profiles(
        self,
        title: str,
        sets: Sequence[Floats],
        *,
        values: str,
        labels: tuple[str, ...] = ("",),
        captions: tuple[str, ...] = (),
        across: int | None = None,
        shared: bool = True,
    ) -> Profiles:
        """Draw s sets of shown rows (n, d) as curves or bars, row by row in one small plot.

        Parameters
        ----------
        values
            What the values are, in words.
        """
        return Profiles(
            title,
            Axes(x=self.axis, y=values),
            self.x,
            np.stack(sets),
            across or self.across(len(sets[0])),
            labels=labels,
            captions=captions,
            names=self.names,
            bars=self.kind == "bars",
            shared=shared,
        )


def span_of(rows: Floats) -> tuple[float, float]:
    """Return the lowest and the highest value, missing ones aside; never the same two.

    What is rounding beside the other is 0.
    """
    known = rows[~np.isnan(rows)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    rounding = ROUNDING * max(abs(low), abs(high))
    low, high = (0.0 if abs(own) < rounding else own for own in (low, high))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def is_image(shape: tuple[int, ...] | None) -> bool:
    """Whether rows of this shape can be drawn: a plane, alone or of a few channels."""
    if shape is None or len(shape) not in (2, 3):
        return False
    height, width, channels = _sides(shape)
    return min(height, width) > 1 and channels <= MOST_CHANNELS


def numbers_in(names: Sequence[str]) -> tuple[Vector, str] | None:
    """Return the numbers that names of columns are, and their unit, where they rise or fall.

    None where a name is no number, units differ, or two numbers are the same.
    """
    found = [_NUMBER.fullmatch(name) for name in names]
    matches = [own for own in found if own is not None]
    if len(matches) < max(FEWEST_OF_A_CURVE, len(names)):
        return None
    numbers, units = np.array([float(own[1]) for own in matches]), {own[2] for own in matches}
    steps = np.diff(numbers)
    strictly = (steps > 0).all() or (steps < 0).all()
    if len(units) > 1 or not strictly or not np.isfinite(numbers).all():
        return None
    return numbers, units.pop()


def _sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return height, width and the number of channels."""
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if _channels_first(shape):
        return shape[1], shape[2], shape[0]
    return shape[0], shape[1], shape[2]


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether channels are the first dimension, as images come from PyTorch."""
    return len(shape) == 3 and shape[0] in (1, 3) and shape[2] > MOST_CHANNELS


def _interleaved(sets: int, count: int, across: int) -> NDArray[np.int64]:
    """Return which image stands in each place; one past the last is none."""
    width = across * -(-count // across)
    places = np.full((sets, width), sets * count)
    places[:, :count] = np.arange(sets * count).reshape(sets, count)
    if sets == 1:
        return places[0, :count]
    return np.asarray(places.reshape(sets, -1, across).transpose(1, 0, 2)).ravel()
