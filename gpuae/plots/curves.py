"""Curves over a common axis, and how often values occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from gpuae.pictures.picture import Histogram, Lines, Series
from gpuae.plots import frame
from gpuae.plots.look import MOST, OTHERS, Size, Theme, colour, dashes, others

WIDTH, HEIGHT = 4.2, 2.9


def size_lines(panel: Lines) -> Size:
    """Return the inches that a panel takes without what is around it."""
    labels = {own.label for own in panel.series}
    return _size(min(len(labels), MOST + 1) + len(panel.levels))


def size_histogram(panel: Histogram) -> Size:
    """Return the inches that a panel takes without what is around it."""
    return _size(min(len(panel.labels), MOST + 1) + len(panel.levels))


def _size(entries: int) -> Size:
    return WIDTH, max(HEIGHT, frame.LINE * entries)


def draw_lines(axes: Axes, panel: Lines, room: Size, theme: Theme) -> None:
    """Draw curves; those of one label have one colour, those without a label none."""
    if not any(_is_seen(own, panel) for own in panel.series):
        frame.say_nothing(axes, theme)
        return
    frame.label_axes(axes, panel.axes, room, theme)
    labels = list(dict.fromkeys(own.label for own in panel.series))
    labels = [label for label in labels if label] or labels
    entries: dict[str, Any] = {}
    for series in panel.series:
        number = labels.index(series.label) if series.label or not any(labels) else None
        line = _draw_series(axes, series, panel, _look(number, theme))
        if number is not None:
            is_own = number < MOST
            entries.setdefault(series.label if is_own else others(len(labels) - MOST), line)
    levels = frame.draw_levels(axes, panel.levels, panel.axes, theme.ink)
    frame.draw_legend(axes, [*((own, label) for label, own in entries.items()), *levels], theme)
    frame.tick_whole_numbers(axes, [own.x for own in panel.series])
    frame.number_ticks(axes)


def _look(number: int | None, theme: Theme) -> dict[str, Any]:
    if number is None:
        return {"color": theme.ink}
    return {"color": colour(number), "linestyle": dashes(number)}


def _is_seen(series: Series, panel: Lines) -> bool:
    x, y = _place(series, panel)
    return bool((np.isfinite(x) & np.isfinite(y)).any())


def _place(series: Series, panel: Lines) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = frame.shown(np.asarray(series.x, np.float64), panel.axes.log_x)
    return x, frame.shown(np.asarray(series.y, np.float64), panel.axes.log_y)


def _draw_series(axes: Axes, series: Series, panel: Lines, own: dict[str, Any]) -> Line2D:
    x, y = _place(series, panel)
    if series.kind == "points":
        look = {**own, "linestyle": "none", "marker": "o", "markersize": 3.5}
    else:
        faint = {"linewidth": 0.8, "alpha": 0.4} if series.kind == "faint" else {}
        look = {**own, **faint, **frame.mark_alone(x, y)}
    (line,) = axes.plot(x, y, **look)
    return line


def draw_histogram(axes: Axes, panel: Histogram, room: Size, theme: Theme) -> None:
    """Draw steps, filled as far as one can be seen through another."""
    edges = np.asarray(panel.edges, np.float64)
    if not frame.is_seen(panel.counts, panel.axes.log_y) or not np.isfinite(edges).all():
        frame.say_nothing(axes, theme)
        return
    frame.label_axes(axes, panel.axes, room, theme, grid="y")
    kept = int((edges <= 0).sum()) if panel.axes.log_x else 0
    entries = []
    for number, (counts, label) in enumerate(zip(panel.counts, panel.labels, strict=True)):
        own = colour(number) if number < MOST else OTHERS
        visible = frame.shown(counts[kept:], panel.axes.log_y)
        axes.stairs(visible, edges[kept:], fill=True, color=own, alpha=_opacity(panel))
        if len(panel.counts) > 1:
            axes.stairs(visible, edges[kept:], color=own, linewidth=1.2)
        sign = Patch(facecolor=to_rgba(own, _opacity(panel)), edgecolor=own)
        entries.append((sign, label))
    levels = frame.draw_levels(axes, panel.levels, panel.axes, theme.ink)
    frame.draw_legend(axes, [*entries[: MOST + 1], *levels], theme)
    frame.number_ticks(axes)


def _opacity(panel: Histogram) -> float:
    return 0.85 if len(panel.counts) == 1 else 0.25
