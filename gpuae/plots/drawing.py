"""A picture on a sheet: each kind of panel has a module that draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpuae.pictures import picture
from gpuae.plots import bars, curves, frame, points, profiles, tiles
from gpuae.plots.look import Size, Theme
from gpuae.plots.sheet import Sheet

TALLER = 1.4
"""How much more height than it needs a panel takes beside a tall one, at most."""


class Kind(NamedTuple):
    """How a kind of panel is drawn, how large it is in inches, and whether it may be larger."""

    size: Callable[[Any], Size]
    draw: Callable[[Any, Any, Size, Theme], None]
    grows: bool = True


KINDS = {
    picture.Lines: Kind(curves.size_lines, curves.draw_lines),
    picture.Histogram: Kind(curves.size_histogram, curves.draw_histogram),
    picture.Bars: Kind(bars.size, bars.draw),
    picture.Points: Kind(points.size, points.draw),
    picture.Tiles: Kind(tiles.size, tiles.draw, grows=False),
    picture.Profiles: Kind(profiles.size, profiles.draw),
}


def drawn(own: picture.Picture, theme: Theme, *, worded: bool = True) -> Sheet:
    """Return a picture as a figure, with its title and notes if it is to be `worded`."""
    kinds = [KINDS[type(panel)] for panel in own.panels]
    with theme.context():
        sheet = Sheet(theme)
        sizes = [kind.size(panel) for kind, panel in zip(kinds, own.panels, strict=True)]
        axes, places = sheet.panels(sizes, own.across)
        rooms = list(map(_room, kinds, sizes, places))
        for number, panel in enumerate(own.panels):
            kinds[number].draw(axes[number], panel, rooms[number], theme)
            frame.describe(axes[number], panel, places[number][0], theme)
        sheet.fit(rounds=2)
        if worded:
            sheet.write(own)
            sheet.fit(rounds=1)  # only higher: words are as wide as there is room
        sheet.settle(rooms)
    return sheet


def _room(kind: Kind, size: Size, place: Size) -> Size:
    """Return what a panel of such a size takes of its place, which may be larger."""
    return (place[0], min(place[1], size[1] * TALLER)) if kind.grows else size


def keep_pixels(sheet: Sheet) -> None:
    """Have images of files of shapes hold their own pixels and no others."""
    for axes in sheet.axes:
        for image in axes.images:
            image.set_interpolation("none")
