"""plotext as something to draw marks on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import ConfigError
from gpuae.pictures.picture import Vector
from gpuae.plots.characters.space import GREY, Space

Range = tuple[float, float]
Ticks = tuple[list[float], list[str]]
BRAILLE = "braille"
"""Eight dots to a character."""
QUARTERS = "hd"
"""Four to a character."""
NO_TICKS: Ticks = ([], [])


@dataclass(frozen=True)
class Mark:
    """Points (n,) in a colour, by themselves, joined, or filled down to the axis."""

    x: Vector
    y: Vector
    colour: int
    glyph: str = BRAILLE
    joined: bool = True
    filled: bool = False


def check_installed() -> None:
    """Refuse to draw in characters without plotext.

    Raises
    ------
    ConfigError
        Saying what to install.
    """
    if find_spec("plotext") is None:
        raise ConfigError(
            "plotext, which draws in a terminal, is not installed; `pip install 'gpuae[plot]'`, or "
            "give -o FILE"
        )


def draw(
    marks: Iterable[Mark],
    space: Space,
    x: Range,
    y: Range,
    ticks: tuple[Ticks, Ticks] | None = None,
) -> list[str]:
    """Draw marks in all of the space, where there are ticks within a frame."""
    check_installed()
    plotext: Any = import_module("plotext")
    plotext.terminal.limit(False, False)
    figure = _empty(plotext, space, framed=ticks is not None)
    both = ticks or (NO_TICKS, NO_TICKS)
    for name, limits, own in (("x", x, both[0]), ("y", y, both[1])):
        figure.ruler(name).lim(*limits).ticks(*own)
    for mark in marks:
        _add(plotext, figure, mark)
    lines: list[str] = figure.build().string(not space.colours).split("\n")
    figure.clear()
    return lines[: space.height]


def _empty(plotext: Any, space: Space, *, framed: bool) -> Any:
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(space.width, space.height)
    figure.axes(framed)
    return figure


def _add(plotext: Any, figure: Any, mark: Mark) -> None:
    """Draw a mark; where a value is missing there is a gap."""
    glyph = plotext.marker(mark.glyph, plotext.pixel(foreground=mark.colour))
    for run in _runs(np.isfinite(mark.x) & np.isfinite(mark.y)):
        signal = figure.signal(mark.x[run].tolist(), mark.y[run].tolist(), marker=glyph)
        figure.draw(signal.lines(mark.joined).fillx(mark.filled))


def _runs(there: NDArray[np.bool_]) -> list[slice]:
    """Return where values stand without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def thinned(x: Vector, y: Vector, most: int) -> tuple[Vector, Vector]:
    """Return a curve by the lowest and highest of each of so many parts, where it has more."""
    size = -(-len(x) // most)
    if size <= 2:
        return x, y
    starts = np.arange(0, len(x), size)
    low, high = (own.reduceat(y, starts) for own in (np.fmin, np.fmax))
    return x[starts].repeat(2), np.stack([low, high], axis=1).reshape(-1)


def level(value: float, axis: str, x: Range, y: Range, space: Space) -> Mark:
    """Return a straight line across a chart."""
    upright = axis == "x"
    along = np.linspace(*(y if upright else x), 2 * (space.height if upright else space.width))
    at = np.full(len(along), value)
    glyph = "│" if upright else "╌"
    return Mark(at if upright else along, along if upright else at, GREY, glyph, joined=False)
