"""Small plots over the same columns, all on the same axes: a thousand would take half a minute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from gpuae.pictures.picture import Profiles
from gpuae.plots import frame
from gpuae.plots.cells import Cells, Span
from gpuae.plots.look import MEDIUM, POINTS, SMALL, Size, Theme, colour

CAPTION_SIZE = 6.0
NAME_ROOM = 1.6
TO_NAME = 0.05
"""Inches between a name and what it names."""
X_TICK, Y_TICK = 0.5, 0.25
"""Inches that a tick needs."""
FILLED = 0.8
"""Share of the room of a column that its bars take."""
FRAME, ZERO = 0.25, 0.5
"""Opacity of lines that are no data."""


def size(panel: Profiles) -> Size:
    """Return the inches that a panel takes without what is around it."""
    if not panel.values.size:
        return 2.0, 1.0
    width, height = Cells.of(panel).size
    return width, max(height, frame.LINE * len([own for own in panel.labels if own]))


def draw(axes: Axes, panel: Profiles, _room: Size, theme: Theme) -> None:
    """Draw all plots; the axes are labelled at the one in the lower left corner."""
    axes.spines[:].set_visible(False)
    if not np.isfinite(panel.values).any():
        frame.say_nothing(axes, theme)
        return
    cells, span = Cells.of(panel), Span.of(panel)
    axes.set_xlim(0, cells.size[0])
    axes.set_ylim(cells.size[1], 0)
    _draw_frames(axes, cells, theme)
    parts = _draw_bars if panel.bars else _draw_curves
    handles = parts(axes, panel, cells, span, theme)
    _caption(axes, cells, panel, theme)
    frame.draw_legend(axes, list(zip(handles, panel.labels, strict=True)), theme)


def _draw_frames(axes: Axes, cells: Cells, theme: Theme) -> None:
    number = np.arange(cells.number)
    left, bottom = cells.left(number), cells.bottom(number)
    corners = _boxes(left, left + cells.width, bottom - cells.height, bottom)
    look: dict[str, Any] = {
        "edgecolors": theme.ink,
        "facecolors": "none",
        "linewidths": 0.5,
        "alpha": FRAME,
    }
    axes.add_collection(PolyCollection(corners, clip_on=False, **look), autolim=False)


def _boxes(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
) -> Any:
    """Return the corners (n, 4, 2) of boxes."""
    return np.stack(
        [np.stack(own, -1) for own in ((left, top), (right, top), (right, bottom), (left, bottom))],
        axis=-2,
    )


def _draw_curves(axes: Axes, panel: Profiles, cells: Cells, span: Span, theme: Theme) -> list[Any]:
    number = np.arange(cells.number)
    bottom = cells.bottom(number)[:, None]
    _draw_zeros(axes, cells, span, theme)
    first, last = _ends(panel.x)
    x = cells.left(number)[:, None] + (panel.x - first) / (last - first) * cells.width
    drawn = []
    for order, values in enumerate(panel.values):
        y = bottom - span.share(frame.shown(values, False)) * cells.height
        curves = _joined(x, y)
        look = {
            "color": colour(order),
            "linewidth": _thickness(order, panel),
            **frame.mark_alone(*curves),
        }
        drawn.append(axes.plot(*curves, **look)[0])
    ticks = _ticks(min(first, last), max(first, last), cells.width, X_TICK)
    axes.set_xticks((ticks - first) / (last - first) * cells.width, _numbers(ticks))
    if panel.shared:
        ticks = _ticks(span.low[0], span.high[0], cells.height, Y_TICK)
        axes.set_yticks(cells.foot - span.first(ticks) * cells.height, _numbers(ticks))
    else:
        axes.set_yticks([])
    _label(axes, panel.axes.x, _values_label(panel), cells, theme)
    return drawn


def _thickness(order: int, panel: Profiles) -> float:
    """Return the width of a line: of two curves that are the same, both can be seen."""
    return 0.9 if order == len(panel.values) - 1 else 1.9


def _joined(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, ...]:
    """Return curves (n, d) as one, which has a gap after each."""
    gap = ((0, 0), (0, 1))
    return tuple(np.pad(own, gap, constant_values=np.nan).ravel() for own in (x, y))


def _draw_zeros(axes: Axes, cells: Cells, span: Span, theme: Theme) -> None:
    """Draw where 0 is, in plots with values on both sides of it."""
    number = np.flatnonzero(span.both_signs)
    y = cells.bottom(number) - span.share(np.zeros(cells.number))[number] * cells.height
    left = cells.left(number)
    lines = _pairs(left, y, left + cells.width, y)
    axes.add_collection(LineCollection(lines, **_zero_look(theme)), autolim=False)


def _zero_look(theme: Theme) -> dict[str, Any]:
    return {"colors": theme.ink, "linewidths": 0.5, "alpha": ZERO}


def _pairs(*ends: NDArray[np.float64]) -> Any:
    """Return lines (n, 2, 2) of the coordinates x, y of both their ends."""
    return np.stack(ends, axis=-1).reshape(-1, 2, 2)


def _draw_bars(axes: Axes, panel: Profiles, cells: Cells, span: Span, theme: Theme) -> list[Any]:
    number = np.arange(cells.number)
    sets, _, columns = panel.values.shape
    left, top = cells.left(number)[:, None], (cells.bottom(number) - cells.height)[:, None]
    zero = left + span.share(np.zeros((cells.number, 1))) * cells.width
    pitch = cells.height / columns
    thick = FILLED * pitch / sets
    drawn = []
    for order, values in enumerate(panel.values):
        ends = left + span.share(frame.shown(values, False)) * cells.width
        begin = top + (np.arange(columns) + (1 - FILLED) / 2) * pitch + order * thick
        boxes = _boxes(*np.broadcast_arrays(zero, ends, begin, begin + thick))
        boxes = boxes[np.isfinite(ends)]
        bars = PolyCollection(boxes, facecolors=colour(order), linewidths=0)
        drawn.append(axes.add_collection(bars, autolim=False))
    lines = _pairs(zero[:, 0], top[:, 0], zero[:, 0], top[:, 0] + cells.height)
    axes.add_collection(LineCollection(lines, **_zero_look(theme)), autolim=False)
    _tick_bars(axes, panel, cells, span, theme)
    return drawn


def _tick_bars(axes: Axes, panel: Profiles, cells: Cells, span: Span, theme: Theme) -> None:
    """Name the columns at the left of each row of plots, and the values below the first column."""
    columns = panel.values.shape[-1]
    pitch = cells.height / columns
    every = max(1, math.ceil(SMALL / POINTS / pitch))
    names = panel.names or tuple(map(frame.plain, panel.x))
    kept = range(0, columns, every)
    tops = cells.bottom(np.arange(cells.rows) * cells.across) - cells.height
    words = {column: theme.name(names[column], NAME_ROOM) for column in kept}
    axes.set_yticks([(column + 0.5) * pitch + tops[0] for column in kept], words.values())
    axes.tick_params(axis="y", length=0, pad=TO_NAME * POINTS)
    look: dict[str, Any] = {"ha": "right", "va": "center_baseline", "fontsize": SMALL}
    for top in tops[1:]:  # no ticks, which would all be measured
        for column, name in words.items():
            place = -TO_NAME, (column + 0.5) * pitch + top
            axes.text(*place, name, in_layout=False, **look)
    if panel.shared:
        ticks = _ticks(span.low[0], span.high[0], cells.width, X_TICK)
        axes.set_xticks(span.first(ticks) * cells.width, _numbers(ticks))
    else:
        axes.set_xticks([])
    _label(axes, _values_label(panel), panel.axes.x, cells, theme)


def _values_label(panel: Profiles) -> str:
    if panel.shared:
        return panel.axes.y
    return f"{panel.axes.y} (each plot has a scale of its own)".lstrip()


def _label(axes: Axes, x: str, y: str, cells: Cells, theme: Theme) -> None:
    width, height = cells.size
    axes.set_xlabel(theme.name(x, max(width, 2.0), MEDIUM), loc="left")
    axes.set_ylabel(theme.paragraph(y, max(height, 1.0), MEDIUM, 2), loc="bottom")


def _ends(x: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the axis begins at the left and ends at the right."""
    first, last = float(x[0]), float(x[-1])
    return (first, last) if first != last else (first - 0.5, last + 0.5)


def _ticks(low: float, high: float, room: float, each: float) -> NDArray[np.float64]:
    """Return round numbers within the ends, as many as `room` inches have place for."""
    count = int(np.clip(room / each, 1, 5))
    ticks = np.asarray(ticker.MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    return ticks[(ticks >= low) & (ticks <= high)]


def _numbers(ticks: NDArray[np.float64]) -> list[str]:
    return [frame.plain(own) for own in ticks]


def _caption(axes: Axes, cells: Cells, panel: Profiles, theme: Theme) -> None:
    number = np.arange(min(cells.number, len(panel.captions)))
    tops = cells.bottom(number) - cells.height - 0.02
    look: dict[str, Any] = {
        "ha": "left",
        "va": "bottom",
        "fontsize": CAPTION_SIZE,
        "in_layout": False,
    }
    for left, top, caption in zip(cells.left(number), tops, panel.captions, strict=False):
        axes.text(left, top, theme.name(caption, cells.width, CAPTION_SIZE), **look)
