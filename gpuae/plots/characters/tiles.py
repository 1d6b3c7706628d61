"""Small images: two pixels to a character in colours, else a character by its brightness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from gpuae.pictures.picture import Tiles
from gpuae.plots.characters.bars import rest
from gpuae.plots.characters.space import Space, centred, padded, wrapped
from gpuae.printable import one_line

RAMP = " .:-=+*#%@"
"""From black to white."""
SIGNED = "Oo- +*#"
"""From black to white, where what is in the middle is nothing."""
CAPTION = 20
"""Columns that captions may take where images are narrower."""
LARGEST, SMALLEST = 32, 10
"""Columns of an image that is enlarged, and of one that is made smaller for more to fit."""
ROW_NAME = 14
GREYS = (16, *range(232, 256), 231)
"""Of 256 colours, from black to white."""
CUBE = np.array([0, 95, 135, 175, 215, 255])
"""Steps of red, green and blue among 256 colours."""

Image = NDArray[np.float64]


def tiles(panel: Tiles, space: Space) -> list[str]:
    """Draw as many images as fit."""
    if not len(panel.images):
        return []
    size = _Size.of(panel, space)
    bands = list(size.bands(panel))
    found = [line for band in bands for line in _band(panel, band, size, space)]
    shown = sum(len(band) for band in bands)
    words = "; ".join(word for word in (panel.scale, _key(panel, space)) if word)
    return [*found, *wrapped(words, space.width), *rest(shown, len(panel.images), space)]


def _key(panel: Tiles, space: Space) -> str:
    """Say which characters stand for what, where it is no grey that does."""
    if space.colours:
        return ""
    ramp = _ramp(panel)
    return f"in characters from low to high '{ramp}'"


def _ramp(panel: Tiles) -> str:
    return SIGNED if panel.low == -panel.high else RAMP


@dataclass(frozen=True)
class _Size:
    """How large images are drawn, and how many of them."""

    width: int
    height: int
    """Of an image, in columns and lines."""
    per_line: int
    most: int
    """Lines of images that fit."""
    name: int
    """Columns of the name of a row."""
    slot: int
    """Columns of an image with its caption."""

    @classmethod
    def of(cls, panel: Tiles, space: Space) -> _Size:
        """Choose the largest size at which all are seen, or the smallest."""
        names = [cell_len(one_line(name)) for name in panel.rows]
        name = min(max(names), ROW_NAME) + 1 if names else 0
        for width in _widths(panel.images.shape[2], space.width - name):
            size = cls._at(width, name, panel, space)
            crowded = size.per_line < min(panel.across, len(panel.images))
            if size.lines(panel) <= size.most and not (crowded and width > panel.images.shape[2]):
                break
        return size

    @classmethod
    def _at(cls, width: int, name: int, panel: Tiles, space: Space) -> _Size:
        rows, columns = panel.images.shape[1:3]
        height = max(1, round(width * rows / columns / 2))
        widest = max(map(cell_len, map(one_line, panel.captions)), default=0)
        slot = max(width, min(widest, CAPTION))
        per_line = max(1, (space.width - name + 1) // (slot + 1))
        most = max(1, space.height // (height + 1))
        if panel.rows:
            together = _together(panel.rows)
            most -= most % together if most >= together else 0
        if panel.rows:
            per_line = min(per_line, panel.across)
        return cls(width, height, per_line, most, name, slot)

    def lines(self, panel: Tiles) -> int:
        """Return how many lines of images all of them take."""
        if panel.rows:
            return len(panel.rows) * -(-panel.across // self.per_line)
        return -(-len(panel.images) // self.per_line)

    def bands(self, panel: Tiles) -> Iterator[range]:
        """Yield which images stand on each line; rows with names stay below one another."""
        total = len(panel.images)
        if not panel.rows:
            for line in range(min(self.most, self.lines(panel))):
                yield range(line * self.per_line, min((line + 1) * self.per_line, total))
            return
        left = self.most
        together = _together(panel.rows)
        for top in range(0, len(panel.rows), together):
            for start in range(0, panel.across, self.per_line):
                for row in range(top, min(top + together, len(panel.rows))):
                    first = row * panel.across
                    stop = min(first + min(start + self.per_line, panel.across), total)
                    if left > 0 and first + start < stop:
                        yield range(first + start, stop)
                        left -= 1


def _together(rows: tuple[str, ...]) -> int:
    """Return how many rows show the same in several forms: their names come again after them."""
    again = [place for place, name in enumerate(rows) if place and name == rows[0]]
    return again[0] if again else len(rows)


def _widths(own: int, room: int) -> list[int]:
    """Return the widths to try: some times as wide, as it is, and smaller ones."""
    times = range(max(1, LARGEST // own), 1, -1)
    larger = [own * factor for factor in times if own * factor <= room]
    widest = min(own, room)
    return [*larger, *range(widest, min(widest, SMALLEST) - 1, -1)]


def _band(panel: Tiles, band: range, size: _Size, space: Space) -> list[str]:
    """Draw a line of images, with their captions below."""
    high = size.height * (2 if space.colours else 1)
    drawn = [_lines(panel, resized(panel.images[own], high, size.width), space) for own in band]
    blank = " " * (size.slot - size.width)
    left = blank[: len(blank) // 2]
    gap, right = " ", blank[len(left) :]
    lines = [gap.join(left + own + right for own in parts) for parts in zip(*drawn, strict=True)]
    if size.name:
        name = panel.rows[band.start // panel.across]
        heads = [padded(name, size.name)] + [" " * size.name] * (len(lines) - 1)
        lines = [head + line for head, line in zip(heads, lines, strict=True)]
    captions = [panel.captions[own] if panel.captions else "" for own in band]
    below = " ".join(centred(caption, size.slot) for caption in captions)
    return [*lines, " " * size.name + below]


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


def _lines(panel: Tiles, image: Image, space: Space) -> list[str]:
    span = (panel.high - panel.low) or 1.0
    share = np.clip((image - panel.low) / span, 0.0, 1.0)
    if not space.colours:
        return _ramped(share, _ramp(panel))
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
