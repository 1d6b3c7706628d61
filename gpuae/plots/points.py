"""A cloud of points, coloured by group or by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gpuae.pictures.picture import Points
from gpuae.plots import frame
from gpuae.plots.look import MEDIUM, MOST, OTHERS, Size, Theme, colour, marker, others

SIDE = 3.8
SCALE = "cividis"
SCALE_PLACE = (1.03, 0.0, 0.045, 1.0)
"""Left, bottom, width and height, in those of the axes."""
BESIDE_SCALE = 1.3
"""Where a legend begins then."""
AS_ONE_IMAGE = 5_000
"""More points than this are one image in a file of shapes, which would be large else."""


def size(panel: Points) -> Size:
    """Return the inches that a panel takes without what is around it."""
    return SIDE, max(SIDE, frame.LINE * min(len(panel.names), MOST + 1))


def draw(axes: Axes, panel: Points, room: Size, theme: Theme) -> None:
    """Draw points in their order, so that no group covers all of another one."""
    x = frame.shown(np.asarray(panel.x, np.float64), panel.axes.log_x)
    y = frame.shown(np.asarray(panel.y, np.float64), panel.axes.log_y)
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        frame.say_nothing(axes, theme)
        return
    frame.label_axes(axes, panel.axes, room, theme)
    look: dict[str, Any] = {
        "s": _area(len(x)),
        "linewidths": 0,
        "rasterized": len(x) > AS_ONE_IMAGE,
    }
    if panel.values is not None:
        _draw_values(axes, panel, x, y, there, look, theme)
    elif panel.groups is not None:
        _draw_groups(axes, panel, x, y, there, look, theme)
    else:
        axes.scatter(x[there], y[there], color=colour(0), alpha=0.6, **look)
    frame.number_ticks(axes)


def _area(count: int) -> float:
    """Return the area of a point, in square points: many are small."""
    return float(np.clip(30_000 / max(count, 1), 4, 24))


def _draw_values(
    axes: Axes,
    panel: Points,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    there: NDArray[np.bool_],
    look: dict[str, Any],
    theme: Theme,
) -> None:
    values = np.asarray(panel.values, np.float64)
    known = there & np.isfinite(values)
    unknown = there & ~known
    if unknown.any():
        axes.scatter(x[unknown], y[unknown], color=OTHERS, **look)
        frame.draw_legend(axes, [(_sign(OTHERS, "o"), "no value")], theme, at=BESIDE_SCALE)
    if not known.any():
        return
    drawn = axes.scatter(x[known], y[known], c=values[known], cmap=SCALE, **look)
    figure: Any = axes.figure
    beside = axes.inset_axes(SCALE_PLACE)
    bar = figure.colorbar(drawn, cax=beside)
    bar.outline.set_visible(False)
    bar.set_label(theme.name(panel.colour, SIDE, MEDIUM))
    frame.number_ticks(beside)


def _draw_groups(
    axes: Axes,
    panel: Points,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    there: NDArray[np.bool_],
    look: dict[str, Any],
    theme: Theme,
) -> None:
    groups = np.asarray(panel.groups)
    groups = np.where((groups >= 0) & (groups < min(len(panel.names), MOST)), groups, MOST)
    colours = np.array([to_rgba(colour(number), 0.75) for number in range(MOST + 1)])
    for mark in dict.fromkeys(map(marker, range(MOST, -1, -1))):
        numbers = [number for number in range(MOST + 1) if marker(number) == mark]
        own = there & np.isin(groups, numbers)
        if own.any():
            axes.scatter(x[own], y[own], c=colours[groups[own]], marker=mark, **look)
    frame.draw_legend(axes, list(_entries(panel, groups)), theme)


def _entries(panel: Points, groups: NDArray[np.int64]) -> Iterator[tuple[Line2D, str]]:
    for number, name in enumerate(panel.names[:MOST]):
        yield _sign(colour(number), marker(number)), name
    if len(panel.names) > MOST:
        yield _sign(OTHERS, "."), others(len(panel.names) - MOST)
    elif (groups == MOST).any():
        yield _sign(OTHERS, "."), "no group"


def _sign(own: str, mark: str) -> Line2D:
    return Line2D([], [], color=own, marker=mark, linestyle="none", markersize=4.5)
