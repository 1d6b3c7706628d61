"""Colours, sizes and marks that all panels share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from matplotlib import style

from gpuae.plots import text

PALETTE = (
    *("#1781C2", "#D55E00", "#009E73", "#CC79A7"),
    *("#56B4E9", "#E69F00", "#8C8C8C", "#C4B000"),
)
"""Told apart by the colour-blind, on white and on black: M. Okabe, K. Ito, "Color universal
design", 2008, without black, with grey, a lighter blue and a darker yellow."""
MARKERS = "o^sDvPX*"
"""The second eight groups have the same colours and another mark, and so on."""
LINES = ("-", "--", ":")
"""The second eight curves have the same colours and are broken."""
DASHES = ("--", ":", "-.", (0, (8, 3)), (0, (1, 3)))
"""Of levels."""
MOST = 20
"""Groups or curves that have a look of their own."""
OTHERS = "#9A9A9A"
SMALL, MEDIUM, LARGE = 7.0, 8.5, 10.0
"""Sizes of text, in points."""
Size = tuple[float, float]
"""Width and height in inches."""
DENSITY = 150
"""Pixels in an inch."""
POINTS = 72.0
"""In an inch."""


@dataclass(frozen=True)
class Theme:
    """What a figure lies on.

    Attributes
    ----------
    ink
        Colour of text and axes.
    paper
        Colour below all; `none` lets a page show through.
    has_fonts
        Whether whoever shows the figure has fonts of its own, for signs that there are none for
        here.
    """

    ink: str
    paper: str
    has_fonts: bool = False

    def words(self, own: str) -> str:
        """Return text of strangers as it can be drawn, on one line."""
        line = text.one_line(own)
        return line if self.has_fonts else text.drawable(line)

    def name(self, own: str, room: float, size: float = SMALL) -> str:
        """Return a name that takes at most `room` inches, cut in its middle."""
        return text.shortened(self.words(own), room * POINTS, size)

    def paragraph(self, own: str, room: float, size: float, most: int) -> str:
        """Return text in at most so many lines of `room` inches."""
        return "\n".join(text.wrapped(self.words(own), room * POINTS, size, most))

    def context(self) -> AbstractContextManager[None]:
        """Return what has matplotlib draw in this look, whatever a person's own settings are."""
        return style.context(["default", self._settings()])

    def _settings(self) -> dict[str, Any]:
        inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        return {
            **dict.fromkeys(inked, self.ink),
            **{"figure.facecolor": self.paper, "axes.facecolor": "none"},
            **{
                "text.parse_math": False,
                "text.usetex": False,
                "text.hinting": "none",
                "font.family": text.families(),
            },
            **{"font.size": MEDIUM, "axes.titlesize": LARGE, "axes.labelsize": MEDIUM},
            **{"xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "legend.fontsize": SMALL},
            **{"axes.titlelocation": "left", "axes.formatter.useoffset": False},
            **{"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False},
            **{"axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6},
            **{"xtick.major.size": 3, "ytick.major.size": 3, "lines.linewidth": 1.5},
            **{"agg.path.chunksize": 10_000, "svg.fonttype": "none", "svg.hashsalt": "gpuae"},
            **{"savefig.facecolor": "auto", "savefig.edgecolor": "auto"},
        }


LIGHT = Theme("#1A1A1A", "#FFFFFF")
DARK = Theme("#E8E8E8", "#161616")
THEMES = {"light": LIGHT, "dark": DARK}


def colour(number: int) -> str:
    """Return the colour of a group or curve, counted from 0."""
    return PALETTE[number % len(PALETTE)] if number < MOST else OTHERS


def marker(number: int) -> str:
    """Return the mark of a group, counted from 0."""
    return MARKERS[number // len(PALETTE)] if number < MOST else "."


def dashes(number: int) -> str:
    """Return how the line of a curve is broken, counted from 0."""
    return LINES[number // len(PALETTE)] if number < MOST else "-"


def others(number: int) -> str:
    """Return what a legend calls so many groups or curves without a look of their own."""
    return f"{number:,} others"
