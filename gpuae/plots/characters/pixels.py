"""An image as characters: two pixels to one in colours, else one by its brightness."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Tiles
from gpuae.plots.characters.space import Space

SIGNED = "Oo- +*#"
"""From black to white, where what is in the middle is nothing."""
RAMP = " .:-=+*#%@"
"""From black to white."""
GREYS = (16, *range(232, 256), 231)
"""Of 256 colours, from black to white."""
CUBE = np.array([0, 95, 135, 175, 215, 255])
"""Steps of red, green and blue among 256 colours."""

Image = NDArray[np.float64]


def ramp_of(panel: Tiles) -> str:
    """Return the characters from black to white."""
    return SIGNED if panel.low == -panel.high else RAMP


def resized(image: Image, height: int, width: int) -> Image:
    """Return an image (h, w) or (h, w, 3) of another size; each pixel is the mean of its area."""
    down, across = _overlap(image.shape[0], height), _overlap(image.shape[1], width)
    there = np.isfinite(image)
    weights = _spread(down, there.astype(np.float64), across)
    sums = _spread(down, np.where(there, image, 0.0), across)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Image = np.where(weights > 0, sums / weights, np.nan)
    return means


def _spread(down: Image, image: Image, across: Image) -> Image:
    sums: Image = np.einsum("ih,hw...,jw->ij...", down, image, across)
    return sums


def _overlap(old: int, new: int) -> Image:
    """Return how much of each old pixel lies in each new one, (new, old)."""
    edges = np.arange(new + 1) * (old / new)
    low = np.maximum(edges[:-1, None], np.arange(old))
    high = np.minimum(edges[1:, None], np.arange(1, old + 1))
    shared: Image = np.clip(high - low, 0.0, None)
    return shared


def lines_of(panel: Tiles, image: Image, space: Space) -> list[str]:
    """Draw an image of a panel, a character for each of its columns."""
    span = (panel.high - panel.low) or 1.0
    share = np.clip((image - panel.low) / span, 0.0, 1.0)
    if not space.colours:
        return _ramped(share, ramp_of(panel))
    codes = _true(share) if space.colours > 256 else _indexed(share)
    return [_halves(upper, lower) for upper, lower in zip(codes[::2], codes[1::2], strict=True)]


def _ramped(share: Image, ramp: str) -> list[str]:
    grey = share.mean(axis=-1) if share.ndim == 3 else share
    places = np.nan_to_num(grey * (len(ramp) - 1)).round().astype(int)
    there = np.isfinite(grey)
    return [
        "".join(ramp[place] if known else " " for place, known in zip(row, line, strict=True))
        for row, line in zip(places, there, strict=True)
    ]


def _true(share: Image) -> list[list[str]]:
    """Return the code of each pixel's colour, of 2**24; empty where there is none."""
    colours = share if share.ndim == 3 else np.repeat(share[..., None], 3, axis=2)
    levels = np.nan_to_num(colours * 255).round().astype(int)
    missing = ~np.isfinite(colours).all(axis=2)
    codes = [["2;{};{};{}".format(*own) for own in row] for row in levels]
    for row, column in np.argwhere(missing):
        codes[row][column] = ""
    return codes


def _indexed(share: Image) -> list[list[str]]:
    """Return the same of 256 colours."""
    known = np.isfinite(share.reshape(*share.shape[:2], -1)).all(axis=2)
    if share.ndim == 3:
        steps = np.abs(np.nan_to_num(share * 255)[..., None] - CUBE).argmin(axis=-1)
        numbers = 16 + steps @ np.array([36, 6, 1])
    else:
        places = np.nan_to_num(share * (len(GREYS) - 1)).round().astype(int)
        numbers = np.array(GREYS)[places]
    codes: list[list[str]] = np.where(known, np.char.add("5;", numbers.astype(str)), "").tolist()
    return codes


def _halves(upper: list[str], lower: list[str]) -> str:
    """Draw two rows of pixels as one line: one above the other."""
    found = []
    for (above, below), run in groupby(zip(upper, lower, strict=True)):
        count = len(list(run))
        if above and below:
            found.append(f"\x1b[38;{above};48;{below}m{'▀' * count}\x1b[0m")
        elif above or below:
            found.append(f"\x1b[38;{above or below}m{('▀' if above else '▄') * count}\x1b[0m")
        else:
            found.append(" " * count)
    return "".join(found)
