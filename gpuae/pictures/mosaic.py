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
    count, height, width, *colours = images.shape
    across = max(1, min(panel.across, count))
    down = -(-count // across)
    size = (down * (height + GAP) - GAP, across * (width + GAP) - GAP, *colours)
    whole = np.full(size, np.nan)
    for place, image in enumerate(np.clip(images, 0.0, 1.0)):
        row, column = divmod(place, across)
        top, left = row * (height + GAP), column * (width + GAP)
        whole[top : top + height, left : left + width] = image
    return whole
