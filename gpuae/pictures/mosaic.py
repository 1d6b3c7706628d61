"""Tiles put together to one image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Tiles

GAP = 1
"""Pixels between tiles."""


def mosaic(panel: Tiles) -> NDArray[np.float64]:
    """Return all images of a panel side by side, (height, width) or (height, width, 3).

    From 0 (black) to 1 (white); NaN between them and where there is nothing.
    """
    images = (panel.images - panel.low) / (panel.high - panel.low)
    return joined(np.clip(images, 0.0, 1.0), panel.across, GAP, GAP)


def joined(
    images: NDArray[np.float64], across: int, below: int, beside: int
) -> NDArray[np.float64]:
    """Return images (n, height, width, …) as one, `across` in a row.

    NaN for so many pixels below and beside each but the last ones, and where there is nothing.
    """
    count, height, width, *colours = images.shape
    across = max(1, min(across, count))
    down, step_down, step_right = -(-count // across), height + below, width + beside
    whole = np.full((down * step_down - below, across * step_right - beside, *colours), np.nan)
    for place, image in enumerate(images):
        row, column = divmod(place, across)
        top, left = row * step_down, column * step_right
        whole[top : top + height, left : left + width] = image
    return whole
