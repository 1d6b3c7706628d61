"""Pictures drawn in characters, for a terminal that shows no images, a pipe or a log."""

from __future__ import annotations

from gpuae.pictures.picture import Bars, Histogram, Lines, Panel, Picture, Points, Profiles, Tiles
from gpuae.plots.characters.bars import bars
from gpuae.plots.characters.charts import histogram, lines
from gpuae.plots.characters.points import points
from gpuae.plots.characters.profiles import profiles
from gpuae.plots.characters.space import Space, beside, wrapped
from gpuae.plots.characters.tiles import tiles

NARROWEST = 24
"""In columns: what is narrower is drawn as if it were not."""
PANEL_WIDTH = 60
"""Panels stand side by side where each of them has so many columns."""
WIDEST = 120
"""Of a panel, in columns."""
LINES = 60
"""Of a panel of small images or plots; as many of them are shown as fit."""
GAP = 3
"""Between panels, in columns."""


def text(picture: Picture, width: int, *, colours: int = 0, height: int = LINES) -> str:
    """Draw a picture as lines of characters.

    Parameters
    ----------
    width
        Of the lines, in columns.
    colours
        How many there are: 0, 256 or 2**24. Without colours there is nothing that would steer a
        terminal.
    height
        Of a panel of small images or plots at most, in lines.
    """
    across = max(1, min(picture.across, len(picture.panels), width // PANEL_WIDTH))
    each = (max(width, NARROWEST) - GAP * (across - 1)) // across
    space = Space(min(each, WIDEST) if across > 1 else each, height, colours)
    whole = Space(max(width, NARROWEST), height, colours)
    found = [whole.strong(line) for line in wrapped(picture.title, whole.width)]
    for start in range(0, len(picture.panels), across):
        drawn = [_panel(panel, space) for panel in picture.panels[start : start + across]]
        found += ["", *beside(drawn, space.width, GAP)]
    notes = [line for note in picture.notes for line in wrapped(f"note: {note}", whole.width)]
    return "\n".join(line.rstrip() for line in [*found, *([""] if notes else []), *notes])


def _panel(panel: Panel, space: Space) -> list[str]:
    title = [space.strong(line) for line in wrapped(panel.title, space.width)]
    return [*title, *_drawn(panel, space)]


def _drawn(panel: Panel, space: Space) -> list[str]:
    match panel:
        case Lines():
            return lines(panel, space)
        case Histogram():
            return histogram(panel, space)
        case Points():
            return points(panel, space)
        case Bars():
            return bars(panel, space)
        case Tiles():
            return tiles(panel, space)
        case Profiles():
            return profiles(panel, space)
