"""Curves, histograms and clouds of points within a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Axes, Histogram, Level, Lines, Points, Series, Vector
from gpuae.plots.characters.canvas import (
    BRAILLE,
    QUARTERS,
    Mark,
    Range,
    Ticks,
    draw,
    level,
    thinned,
)
from gpuae.plots.characters.space import COLOURS, GREY, Space, centred, cut, flowing
from gpuae.plots.characters.ticks import decades, spread, ticks

HEIGHT = 18
"""Of a chart, in lines, with its frame."""
WIDEST = 120
GLYPHS = (BRAILLE, "x", "o", "+", "*", "#", "%", "=")
"""Of curves that no colour tells apart."""
SAMPLE = {BRAILLE: "⠒⠒", QUARTERS: "▄▄"}
"""How they look in a legend."""
POINT = "•"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
VALUE_COLOURS = (55, 61, 31, 30, 35, 71, 149, 220)
"""From low to high, of 256: near viridis."""

Entry = tuple[str, str, int]
"""Of a legend: how it looks, its label, its colour."""


def lines(panel: Lines, space: Space) -> list[str]:
    """Draw curves."""
    room = _room(space)
    looks = _looks(panel.series, space)
    marks = [_curve(own, *look, room) for own, look in zip(panel.series, looks, strict=True)]
    legend = [
        (SAMPLE.get(glyph, glyph), own.label, colour)
        for own, (glyph, colour) in zip(panel.series, looks, strict=True)
    ]
    return _chart(panel.axes, marks, panel.levels, legend, room)


def histogram(panel: Histogram, space: Space) -> list[str]:
    """Draw how many values lie where: one set as an area, several as outlines."""
    room = _room(space)
    spaced = np.geomspace if panel.axes.log_x else np.linspace
    x = spaced(panel.edges[0], panel.edges[-1], 2 * room.width)
    bins = np.clip(np.searchsorted(panel.edges, x, "right") - 1, 0, panel.counts.shape[1] - 1)
    alone = len(panel.counts) == 1
    looks = [(QUARTERS, COLOURS[0])] if alone else distinct(len(panel.counts), space)
    marks = [
        Mark(x, _heights(counts[bins], alone), colour, glyph, joined=not alone, filled=alone)
        for counts, (glyph, colour) in zip(panel.counts, looks, strict=True)
    ]
    legend = [
        (SAMPLE.get(glyph, glyph), label, colour)
        for label, (glyph, colour) in zip(panel.labels, looks, strict=True)
    ]
    low = 0.0 if not panel.axes.log_y else 0.5
    return _chart(panel.axes, marks, panel.levels, legend, room, floor=low)


def _heights(counts: Vector, filled: bool) -> Vector:
    return np.where(counts > 0, counts, np.nan if filled else 0.0)


def points(panel: Points, space: Space) -> list[str]:
    """Draw a cloud, coloured by group or by value."""
    room = _room(space)
    if panel.groups is not None:
        return _grouped(panel, room)
    if panel.values is not None:
        return _valued(panel, room)
    mark = Mark(panel.x, panel.y, COLOURS[0], BRAILLE, joined=False)
    return _chart(panel.axes, [mark], (), [], room)


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
    return _chart(panel.axes, marks, (), legend, room)


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
    return [*told, *_chart(panel.axes, cells.marks(steps, looks), (), legend, room)]


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
        limits = [_limits([values], [])[0] for values in own]
        labels = _ticks(limits[1], False, room.height // 3, whole=False)[1]
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


def _room(space: Space) -> Space:
    return replace(space, width=min(space.width, WIDEST), height=HEIGHT)


def distinct(count: int, space: Space) -> list[tuple[str, int]]:
    """Return glyph and colour of so many curves, which differ."""
    own = [COLOURS[number % len(COLOURS)] for number in range(count)]
    if space.colours and count <= len(COLOURS):
        return [(BRAILLE, colour) for colour in own]
    return [(GLYPHS[number % len(GLYPHS)], colour) for number, colour in enumerate(own)]


def _looks(series: Sequence[Series], space: Space) -> list[tuple[str, int]]:
    """Return glyph and colour of each series; faint ones are grey."""
    bold = [number for number, own in enumerate(series) if own.kind != "faint"]
    looks = [(BRAILLE if space.colours else ".", GREY)] * len(series)
    for number, look in zip(bold, distinct(len(bold), space), strict=True):
        pointed = series[number].kind == "points" and look[0] == BRAILLE
        looks[number] = (POINT, look[1]) if pointed else look
    return looks


def _curve(series: Series, glyph: str, colour: int, room: Space) -> Mark:
    if series.kind == "points":
        return Mark(series.x, series.y, colour, glyph, joined=False)
    x, y = thinned(series.x, series.y, 2 * room.width)
    return Mark(x, y, colour, glyph)


def _chart(
    axes: Axes,
    marks: Sequence[Mark],
    levels: Sequence[Level],
    legend: Sequence[Entry],
    room: Space,
    floor: float | None = None,
) -> list[str]:
    """Draw marks and levels within a frame, with what the axes show, and a legend above."""
    marks = [
        replace(own, x=_scaled(own.x, axes.log_x), y=_scaled(own.y, axes.log_y)) for own in marks
    ]
    placed = [(own, _level_place(own, axes)) for own in levels]
    x, whole_x = _limits([own.x for own in marks], [v for own, v in placed if own.axis == "x"])
    y, whole_y = _limits([own.y for own in marks], [v for own, v in placed if own.axis == "y"])
    if floor is not None:
        y = (float(_scaled(np.array([floor]), axes.log_y)[0]), y[1])
    crossing = [level(value, own.axis, x, y, room) for own, value in placed if np.isfinite(value)]
    both = (
        _ticks(x, axes.log_x, max(2, room.width // 13), whole=whole_x),
        _ticks(y, axes.log_y, room.height // 3, whole=whole_y),
    )
    drawn = draw([*crossing, *marks], room, x, y, both)
    head = [cut(axes.y, room.width)] if axes.y else []
    return [*_legend(legend, levels, room), *head, *drawn, centred(axes.x, room.width)]


def _legend(entries: Sequence[Entry], levels: Sequence[Level], room: Space) -> list[str]:
    """Say what the marks are, where there is more to say than the title does."""
    crossing = [("│" if own.axis == "x" else "╌╌", _of_level(own), GREY) for own in levels]
    told = [own for own in entries if own[1] or len(entries) > 1]
    return flowing(
        (
            f"{room.paint(glyph, colour)} {cut(label, room.width - 4)}".rstrip()
            for glyph, label, colour in (*told, *crossing)
        ),
        room.width,
    )


def _of_level(own: Level) -> str:
    value = f"{own.value:.4g}"
    return own.label if value in own.label else f"{own.label} ({value})"


def _scaled(values: Vector, log: bool) -> Vector:
    """Return values as they stand on an axis; what a logarithm does not have is missing."""
    if not log:
        return np.asarray(values, np.float64)
    return np.log10(np.where(values > 0, values, np.nan))


def _level_place(own: Level, axes: Axes) -> float:
    log = axes.log_x if own.axis == "x" else axes.log_y
    return float(_scaled(np.array([own.value]), log)[0])


def _limits(values: Sequence[Vector], levels: Sequence[float]) -> tuple[Range, bool]:
    """Return from where to where an axis goes, and whether it shows whole numbers only."""
    every = np.concatenate([*values, np.array(levels, np.float64), np.empty(0)])
    finite = every[np.isfinite(every)]
    return spread(every), bool((finite == np.round(finite)).all())


def _ticks(limits: Range, log: bool, most: int, *, whole: bool) -> Ticks:
    return decades(*limits, most) if log else ticks(*limits, most, whole=whole)
