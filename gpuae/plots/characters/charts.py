"""Curves, histograms and clouds of points within a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpuae.pictures.picture import Axes, Histogram, Level, Lines, Series, Vector
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

Entry = tuple[str, str, int]
"""Of a legend: how it looks, its label, its colour."""


def lines(panel: Lines, space: Space) -> list[str]:
    """Draw curves."""
    room = room_of(space)
    looks = _looks(panel.series, space)
    marks = [_curve(own, *look, room) for own, look in zip(panel.series, looks, strict=True)]
    legend = [
        (SAMPLE.get(glyph, glyph), own.label, colour)
        for own, (glyph, colour) in zip(panel.series, looks, strict=True)
    ]
    return chart(panel.axes, marks, panel.levels, legend, room)


def histogram(panel: Histogram, space: Space) -> list[str]:
    """Draw how many values lie where: one set as an area, several as outlines."""
    room = room_of(space)
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
    return chart(panel.axes, marks, panel.levels, legend, room, floor=low)


def _heights(counts: Vector, filled: bool) -> Vector:
    return np.where(counts > 0, counts, np.nan if filled else 0.0)


def room_of(space: Space) -> Space:
    """Return the room of a chart, no wider or higher than one can be read."""
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


def chart(
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
    x, whole_x = limits_of([own.x for own in marks], [v for own, v in placed if own.axis == "x"])
    y, whole_y = limits_of([own.y for own in marks], [v for own, v in placed if own.axis == "y"])
    if floor is not None:
        y = (float(_scaled(np.array([floor]), axes.log_y)[0]), y[1])
    crossing = [level(value, own.axis, x, y, room) for own, value in placed if np.isfinite(value)]
    both = (
        ticks_of(x, axes.log_x, max(2, room.width // 13), whole=whole_x),
        ticks_of(y, axes.log_y, room.height // 3, whole=whole_y),
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


def limits_of(values: Sequence[Vector], levels: Sequence[float]) -> tuple[Range, bool]:
    """Return from where to where an axis goes, and whether it shows whole numbers only."""
    every = np.concatenate([*values, np.array(levels, np.float64), np.empty(0)])
    finite = every[np.isfinite(every)]
    return spread(every), bool((finite == np.round(finite)).all())


def ticks_of(limits: Range, log: bool, most: int, *, whole: bool) -> Ticks:
    """Return where ticks stand on an axis, and what they say."""
    return decades(*limits, most) if log else ticks(*limits, most, whole=whole)
