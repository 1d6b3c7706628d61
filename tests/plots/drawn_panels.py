"""Panels of all kinds, small, and text of all sorts."""

import numpy as np
from matplotlib.text import Text

from gpuae.pictures.picture import (
    Axes,
    Bars,
    Histogram,
    Level,
    Lines,
    Picture,
    Points,
    Profiles,
    Series,
    Tiles,
)

ODD_TEXT = {
    "markup": "<script>alert('a & \"b\"')</script>",
    "mathematics": "$x_1$ and $\\frac{",
    "lines": "two\nlines\tand a tab",
    "right to left": "\u202eturned\u202c עברית",
    "no glyph": "emoji 🦠, 中文, \U0010ffff",
    "control": "nul\x00, \x1b[31mred, half \ud800",
    "long": "x" * 200,
    "many words": "a name of many words " * 20,
    "empty": "",
}

WORDS = Axes("across", "up")
X = np.arange(5.0)


def panel_of(kind, words="name"):
    """Return a small panel with this text wherever it has some."""
    title, axes, random = words, Axes(words, words), np.random.default_rng(0)
    levels = (Level(words, 0.5), Level(words, 1.0, "x"))
    return {
        "lines": lambda: Lines(title, axes, (Series(words, X, X),), levels),
        "bars": lambda: Bars(
            title, axes, (words, "b"), random.normal(size=(2, 2)), (words, "other")
        ),
        "histogram": lambda: Histogram(title, axes, X, np.ones((1, 4)), (words,), levels[1:]),
        "points": lambda: Points(title, axes, X, X, np.zeros(5, np.int64), (words,)),
        "values": lambda: Points(title, axes, X, X, values=X, colour=words),
        "tiles": lambda: Tiles(
            title, random.random((4, 3, 3)), 2, (words,) * 4, (words,) * 2, scale=words
        ),
        "profiles": lambda: Profiles(
            title, axes, X, random.normal(size=(2, 3, 5)), 2, (words, "b"), (words,) * 3
        ),
        "profile bars": lambda: Profiles(
            title,
            axes,
            X,
            random.normal(size=(1, 3, 5)),
            2,
            captions=(words,) * 3,
            names=(words,) * 5,
            bars=True,
        ),
    }[kind]()


KINDS = (
    "lines",
    "bars",
    "histogram",
    "points",
    "values",
    "tiles",
    "profiles",
    "profile bars",
)


def texts_of(figure):
    """Return all text that is drawn, but for the numbers of ticks, some of which are not."""
    return [own for own in figure.findobj(Text) if own.get_text() and not _is_number(own)]


def _is_number(text):
    return not set(text.get_text()) - set("−0123456789.,e")


def picture_of(*panels, title="A picture", **others):
    return Picture(title, panels, "What is seen.", **others)
