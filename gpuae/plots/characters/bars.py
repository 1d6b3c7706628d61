"""Bars that lie, with their names at the left and their values at the right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from gpuae.pictures.picture import Bars
from gpuae.plots.characters.space import COLOURS, Space, cut, flowing, padded
from gpuae.printable import one_line

EIGHTHS = " ▏▎▍▌▋▊▉"
"""Of a character, filled from the left."""
SHADES = "█▓▒░"
"""Of sets that no colour tells apart."""
VALUE = 9
"""Columns of a value."""


def bars(panel: Bars, space: Space) -> list[str]:
    """Draw a bar for each name and set, as many as fit."""
    sets = len(panel.values)
    shown = max(1, space.height // (sets + (sets > 1)))
    values = panel.values[:, :shown]
    low, high = extent(panel.values)
    drawn = block(panel.names[:shown], values, low, high, space, apart=sets > 1)
    head = [cut(text, space.width) for text in (panel.axes.x,) if text]
    return [*legend(panel.labels, space), *head, *drawn, *rest(shown, len(panel.names), space)]


def extent(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lowest and the highest value; 0 is among them."""
    finite = values[np.isfinite(values)]
    return min(0.0, finite.min(initial=0.0)), max(0.0, finite.max(initial=0.0))


def rest(shown: int, total: int, space: Space) -> list[str]:
    """Say how many are not shown, if any."""
    if shown >= total:
        return []
    return [cut(f"{shown:,} of {total:,} are shown here; -o FILE shows all", space.width)]


def legend(labels: Sequence[str], space: Space) -> list[str]:
    """Say which bars are of which set."""
    if len(labels) < 2:
        return [cut(label, space.width) for label in labels if label]
    looks = [look(number, space) for number in range(len(labels))]
    return flowing(
        (
            f"{space.paint(shade * 2, colour)} {cut(label, space.width - 3)}"
            for label, (shade, colour) in zip(labels, looks, strict=True)
        ),
        space.width,
    )


def look(number: int, space: Space) -> tuple[str, int]:
    """Return shade and colour of a set."""
    shade = SHADES[0] if space.colours else SHADES[number % len(SHADES)]
    return shade, COLOURS[number % len(COLOURS)]


def block(
    names: Sequence[str],
    values: NDArray[np.float64],
    low: float,
    high: float,
    space: Space,
    *,
    apart: bool = False,
) -> list[str]:
    """Draw bars (s, n) of names (n,) from 0, on a scale from `low` to `high`.

    Those of a name are kept `apart` from those of the next one by an empty line.
    """
    widest = max((cell_len(one_line(name)) for name in names), default=0)
    left = min(widest, space.width // 3)
    room = max(space.width - left - VALUE - 2, 4)
    found = []
    for place, name in enumerate(names):
        for number, value in enumerate(values[:, place]):
            head = padded(name if number == 0 else "", left)
            bar = _bar(value, low, high, room, look(number, space), space)
            found.append(f"{head} {bar} {padded(_worded(value), VALUE, right=True)}")
        if apart and place < len(names) - 1:
            found.append("")
    return found


def _worded(value: float) -> str:
    if 1e4 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return next(text for text in (f"{value:.4g}", f"{value:.2g}") if len(text) <= VALUE)


def _bar(
    value: float, low: float, high: float, room: int, own: tuple[str, int], space: Space
) -> str:
    """Draw one bar, to the left of 0 or to its right."""
    shade, colour = own
    scale = room / ((high - low) or 1.0)
    zero = round(-low * scale)
    if not np.isfinite(value):
        return " " * room
    if value < 0:
        size = min(max(round(-value * scale), 1), zero)
        return " " * (zero - size) + space.paint(shade * size, colour) + " " * (room - zero)
    size, part = divmod(round(8 * min(value * scale, room - zero)), 8)
    drawn = shade * size + (EIGHTHS[part] if part and shade == SHADES[0] else "")
    return " " * zero + space.paint(drawn, colour) + " " * (room - zero - len(drawn))
