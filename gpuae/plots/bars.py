"""A bar for each name, lying, so that long names can be read."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gpuae.pictures.picture import Bars
from gpuae.plots import frame
from gpuae.plots.look import POINTS, SMALL, Size, Theme, colour

WIDTH = 3.6
NAME_ROOM = 2.2
PITCH = 0.17
"""Inches from one name to the next, and what each further bar of a name adds."""
FURTHER = 0.08
TALLEST = 24.0
FILLED = 0.8
"""Share of the room of a name that its bars take."""


def size(panel: Bars) -> Size:
    """Return the inches that a panel takes without what is around it."""
    pitch = PITCH + FURTHER * (len(panel.values) - 1)
    entries = len(panel.labels) if any(panel.labels) else 0
    height = max(pitch * len(panel.names), frame.LINE * entries, 0.6)
    return WIDTH, min(height, TALLEST)


def draw(axes: Axes, panel: Bars, room: Size, theme: Theme) -> None:
    """Draw bars from 0, the first name at the top."""
    if not frame.is_seen(panel.values, panel.axes.log_x):
        frame.say_nothing(axes, theme)
        return
    frame.label_axes(axes, panel.axes, room, theme, grid="x")
    places = np.arange(len(panel.names))
    thick = FILLED / len(panel.values)
    entries = []
    for number, (values, label) in enumerate(zip(panel.values, panel.labels, strict=True)):
        offset = thick * (number - (len(panel.values) - 1) / 2)
        lengths = frame.shown(values, panel.axes.log_x)
        bars = axes.barh(places + offset, lengths, thick, color=colour(number))
        for bar in bars:
            bar.set_in_layout(False)  # they are within the axes, and measuring them takes long
        entries.append((bars, label))
    if np.nanmin(panel.values, initial=0.0) < 0 and not panel.axes.log_x:
        axes.axvline(0, color=theme.ink, linewidth=0.6)
    frame.draw_legend(axes, entries, theme)
    _name(axes, panel, room[1], theme)
    frame.number_ticks(axes)


def _name(axes: Axes, panel: Bars, height: float, theme: Theme) -> None:
    """Write names, as many as there is room for."""
    every = max(1, int(np.ceil(len(panel.names) * SMALL / POINTS / height)))
    places = range(0, len(panel.names), every)
    axes.set_yticks(places, [theme.name(panel.names[place], NAME_ROOM) for place in places])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(panel.names) - 0.4, -0.6)
