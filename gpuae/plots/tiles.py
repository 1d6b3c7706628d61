"""Small images in rows, all in one: a thousand axes would take half a minute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gpuae.pictures.mosaic import joined
from gpuae.pictures.picture import Tiles
from gpuae.plots import frame
from gpuae.plots.look import DENSITY, POINTS, SMALL, Size, Theme

SIDES = ((16, 0.95), (100, 0.6), (400, 0.42))
"""Up to so many images have sides of so many inches."""
LEAST_SIDE = 0.3
CAPTIONED, FEW, CROWDED = 0.75, 400, 0.5
"""Images with a caption are at least this wide; many of them less."""
WIDEST = 22.0
CAPTION_SIZE = 6.0
STRIP = 0.13
"""Inches of a line of captions."""
ROW_ROOM = 1.4
NARROWEST = 2.2
"""Inches that words below have at least."""
FEWEST_PIXELS = 24
"""Smaller images have each of their pixels several times, so that gaps between them are thin."""
THINNEST = 0.05
"""Least share of the shorter side of an image in the longer one."""
STRETCHED = 4
"""Images that are far from square have a longer side so many times as long, at most."""
GAP = 0.03
"""Share of the longer side that lies between images."""


@dataclass(frozen=True)
class Mosaic:
    """Where images lie in a large one, in its pixels."""

    height: int
    width: int
    down: int
    """How often each row of an image is repeated, and each column."""
    right: int
    gap: int
    strip: int
    """Rows of pixels for captions below each image."""
    inches: float
    """Side of a pixel."""
    rows: int
    across: int

    @classmethod
    def of(cls, panel: Tiles) -> Mosaic:
        """Choose how large images are, by their number, pixels and captions.

        If there is room, each of their pixels is a whole number of those of a PNG.
        """
        number, height, width = panel.images.shape[:3]
        down, right = _repetitions(height, width)
        longer = max(height * down, width * right)
        across = max(1, min(panel.across, number))
        pixels = DENSITY * _side(panel, height * down, width * right, across) / longer
        inches = (math.ceil(pixels) if pixels > 1 else pixels) / DENSITY
        strip = math.ceil(STRIP / inches) if any(panel.captions) else 0
        gap = max(1, round(GAP * longer))
        rows = math.ceil(number / across)
        return cls(height * down, width * right, down, right, gap, strip, inches, rows, across)

    @property
    def step_down(self) -> int:
        """Pixels from one row of images to the next."""
        return self.height + self.strip + self.gap

    @property
    def step_right(self) -> int:
        """Pixels from one column of images to the next."""
        return self.width + self.gap

    def place(self, number: int) -> tuple[int, int]:
        """Return the row and column of the first pixel of an image."""
        row, column = divmod(number, self.across)
        return row * self.step_down, column * self.step_right

    def build(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all images (n, height, width, …) in one, NaN between them and for captions."""
        large = images.repeat(self.down, 1).repeat(self.right, 2)
        whole = joined(large, self.across, self.strip + self.gap, self.gap)
        return np.pad(
            whole, ((0, self.strip), *[(0, 0)] * (whole.ndim - 1)), constant_values=np.nan
        )


def _repetitions(height: int, width: int) -> tuple[int, int]:
    """Return how often pixels are repeated: equally, unless the image would be a hair."""
    both = math.ceil(FEWEST_PIXELS / max(height, width))
    least = THINNEST * both * max(height, width)
    return tuple(max(both, math.ceil(least / side)) for side in (height, width))  # type: ignore[return-value]


def _side(panel: Tiles, height: int, width: int, across: int) -> float:
    """Return the inches of the longer side of an image."""
    shorter, longer = sorted((height, width))
    number = len(panel.images)
    side = next((own for most, own in SIDES if number <= most), LEAST_SIDE)
    side *= min(math.sqrt(longer / shorter), STRETCHED)
    if any(panel.captions):
        least = CAPTIONED if number <= FEW else CROWDED
        side = max(side, least * longer / width)
    return min(max(side, longer / DENSITY), WIDEST / across * longer / width)


def size(panel: Tiles) -> Size:
    """Return the inches that a panel takes without what is around it."""
    if not panel.images.size:
        return 2.0, 1.0
    mosaic = Mosaic.of(panel)
    height = mosaic.rows * mosaic.step_down - mosaic.gap
    width = mosaic.across * mosaic.step_right - mosaic.gap
    return width * mosaic.inches, height * mosaic.inches


def draw(axes: Axes, panel: Tiles, room: Size, theme: Theme) -> None:
    """Draw images with their captions and the names of their rows."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_yticks([])
    _explain(axes, panel, max(room[0], NARROWEST), theme)
    if not np.isfinite(panel.images).any():
        frame.say_nothing(axes, theme)
        return
    mosaic = Mosaic.of(panel)
    _show(axes, mosaic.build(panel.images), panel)
    _caption(axes, mosaic, panel, theme)
    _name_rows(axes, mosaic, panel, theme)


def _explain(axes: Axes, panel: Tiles, room: float, theme: Theme) -> None:
    """Say below what black and white are: no label of an axis, which may be cut at its end."""
    scale = theme.paragraph(panel.scale, room, SMALL, 3)
    if not scale:
        return
    look: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(scale, (0, 0), (0, -4), va="top", fontsize=SMALL, **look)


def _show(axes: Axes, whole: NDArray[np.float64], panel: Tiles) -> None:
    low, high = (panel.low, panel.high) if panel.low < panel.high else (panel.low, panel.low + 1)
    if whole.ndim == 2:
        axes.imshow(whole, cmap="gray", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        return
    there = np.isfinite(whole).all(axis=-1, keepdims=True)
    colours = np.clip((np.where(there, whole, low) - low) / (high - low), 0, 1)
    axes.imshow(np.concatenate([colours, there], axis=-1), aspect="auto", interpolation="nearest")


def _caption(axes: Axes, mosaic: Mosaic, panel: Tiles, theme: Theme) -> None:
    room = mosaic.width * mosaic.inches
    below = mosaic.height + (CAPTION_SIZE / POINTS + 0.015) / mosaic.inches
    for number, caption in enumerate(panel.captions[: len(panel.images)]):
        row, column = mosaic.place(number)
        words = theme.name(caption, room, CAPTION_SIZE)
        place = (column + mosaic.width / 2 - 0.5, row + below - 0.5)
        look: dict[str, Any] = {
            "ha": "center",
            "va": "baseline",
            "fontsize": CAPTION_SIZE,
            "clip_on": False,
        }
        axes.text(*place, words, in_layout=False, **look)


def _name_rows(axes: Axes, mosaic: Mosaic, panel: Tiles, theme: Theme) -> None:
    if not any(panel.rows):
        return
    places = [row * mosaic.step_down + mosaic.height / 2 - 0.5 for row in range(mosaic.rows)]
    names = [theme.name(name, ROW_ROOM) for name in panel.rows[: mosaic.rows]]
    axes.set_yticks(places[: len(names)], names)
