"""Small images: two pixels to a character in colours, else a character by its brightness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len

from gpuae.pictures.picture import Tiles
from gpuae.plots.characters.bars import rest
from gpuae.plots.characters.pixels import lines_of, ramp_of, resized
from gpuae.plots.characters.space import Space, centred, padded, wrapped
from gpuae.printable import one_line

CAPTION = 20
"""Columns that captions may take where images are narrower."""
LARGEST, SMALLEST = 32, 10
"""Columns of an image that is enlarged, and of one that is made smaller for more to fit."""
ROW_NAME = 14


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
    ramp = ramp_of(panel)
    return f"in characters from low to high '{ramp}'"


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
    drawn = [lines_of(panel, resized(panel.images[own], high, size.width), space) for own in band]
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
