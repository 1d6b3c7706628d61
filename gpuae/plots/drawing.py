"""A picture on a sheet: each kind of panel has a module that draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpuae.pictures import picture
from gpuae.plots import bars, curves, frame, points, profiles, tiles
from gpuae.plots.look import Size, Theme
from gpuae.plots.sheet import Sheet


class Kind(NamedTuple):
    """How a kind of panel is drawn, and how large it is then, in inches."""

    size: Callable[[Any], Size]
    draw: Callable[[Any, Any, Size, Theme], None]


KINDS = {
    picture.Lines: Kind(curves.size_lines, curves.draw_lines),
    picture.Histogram: Kind(curves.size_histogram, curves.draw_histogram),
    picture.Bars: Kind(bars.size, bars.draw),
    picture.Points: Kind(points.size, points.draw),
    picture.Tiles: Kind(tiles.size, tiles.draw),
    picture.Profiles: Kind(profiles.size, profiles.draw),
}


def drawn(own: picture.Picture, theme: Theme, *, worded: bool = True) -> Sheet:
    """Return a picture as a figure, with its title and notes if it is to be `worded`."""
    with theme.context():
        sheet = Sheet(theme)
        sizes = [KINDS[type(panel)].size(panel) for panel in own.panels]
        for panel, axes, room in zip(own.panels, *sheet.panels(sizes, own.across), strict=True):
            KINDS[type(panel)].draw(axes, panel, room, theme)
            frame.describe(axes, panel, room[0], theme)
        sheet.fit(rounds=1)
        if worded:
            sheet.write(own)
        sheet.fit(rounds=2)
    return sheet


def keep_pixels(sheet: Sheet) -> None:
    """Have images of files of shapes hold their own pixels and no others."""
    for axes in sheet.axes:
        for image in axes.images:
            image.set_interpolation("none")
