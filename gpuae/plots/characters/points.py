"""Clouds of points, a character for those that lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Points, Vector
from gpuae.plots.characters.canvas import BRAILLE, Mark
from gpuae.plots.characters.charts import chart, limits_of, room_of, ticks_of
from gpuae.plots.characters.space import COLOURS, Space, cut
from gpuae.plots.characters.ticks import spread

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
VALUE_COLOURS = (55, 61, 31, 30, 35, 71, 149, 220)
"""From low to high, of 256: near viridis."""


def points(panel: Points, space: Space) -> list[str]:
    """Draw a cloud, coloured by group or by value."""
    room = room_of(space)
    if panel.groups is not None:
        return _grouped(panel, room)
    if panel.values is not None:
        return _valued(panel, room)
    mark = Mark(panel.x, panel.y, COLOURS[0], BRAILLE, joined=False)
    return chart(panel.axes, [mark], (), [], room)


def _grouped(panel: Points, room: Space) -> list[str]:
    """Draw each character in the look of the group that has most points there."""
    groups = np.asarray(panel.groups)
    cells = _Cells.of(panel, room)
    votes = np.zeros((cells.count, len(panel.names)))
    np.add.at(votes, (cells.numbers, groups[cells.there]), 1)
    glyphs = _letters(panel.names)
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(panel.names))]
    marks = cells.marks(votes.argmax(axis=1), list(zip(glyphs, colours, strict=True)))
    legend = [
        (glyph, "" if glyph == name else name, colour)
        for glyph, name, colour in zip(glyphs, panel.names, colours, strict=True)
    ]
    return chart(panel.axes, marks, (), legend, room)


def _valued(panel: Points, room: Space) -> list[str]:
    """Draw each character in the look of the mean value there."""
    cells = _Cells.of(panel, room)
    values = np.nan_to_num(np.asarray(panel.values, np.float64)[cells.there])
    means = np.bincount(cells.numbers, values, cells.count) / np.bincount(cells.numbers)
    low, high = spread(means)
    count = len(VALUE_COLOURS)
    glyphs = ["■"] * count if room.colours else [str(number) for number in range(count)]
    looks = list(zip(glyphs, VALUE_COLOURS, strict=True))
    steps = np.clip(((means - low) / (high - low) * count).astype(int), 0, count - 1)
    edges = np.linspace(low, high, count + 1)
    legend = [
        (glyph, f"{edge:.3g}", colour) for edge, (glyph, colour) in zip(edges, looks, strict=False)
    ]
    told = [cut(f"{panel.colour}, mean of a place, from", room.width)] if panel.colour else []
    return [*told, *chart(panel.axes, cells.marks(steps, looks), (), legend, room)]


@dataclass(frozen=True)
class _Cells:
    """Characters of a chart in which there are points."""

    x: Vector
    y: Vector
    """Where each of them stands."""
    there: NDArray[np.bool_]
    """Which points can be drawn."""
    numbers: NDArray[np.int64]
    """In which of the characters each of these lies."""

    @classmethod
    def of(cls, panel: Points, room: Space) -> _Cells:
        """Find out which points lie in the same character."""
        there = np.isfinite(panel.x) & np.isfinite(panel.y)
        own = (panel.x[there], panel.y[there])
        limits = [limits_of([values], [])[0] for values in own]
        labels = ticks_of(limits[1], False, room.height // 3, whole=False)[1]
        sizes = (room.width - max(map(len, labels), default=0) - 3, room.height - 4)
        placed = [
            np.round((values - low) / (high - low) * size)
            for values, (low, high), size in zip(own, limits, sizes, strict=True)
        ]
        cells, numbers = np.unique(np.stack(placed), axis=1, return_inverse=True)
        x, y = (
            low + row * (high - low) / size
            for row, (low, high), size in zip(cells, limits, sizes, strict=True)
        )
        return cls(x, y, there, numbers.reshape(-1))

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.x)

    def marks(self, kinds: NDArray[np.int64], looks: Sequence[tuple[str, int]]) -> list[Mark]:
        """Return a mark for each kind of them, with its look."""
        return [
            Mark(self.x[kinds == kind], self.y[kinds == kind], colour, glyph, joined=False)
            for kind, (glyph, colour) in enumerate(looks)
        ]


def _letters(names: Sequence[str]) -> list[str]:
    """Return a letter for each name: its own first one where these differ and are plain."""
    first = [name[:1] for name in names]
    if len(set(first)) == len(first) and all(own.isascii() and own.isalnum() for own in first):
        return first
    return [LETTERS[number % len(LETTERS)] for number in range(len(names))]
