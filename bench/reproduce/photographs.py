"""Whitens the two photographs that come with scikit-learn, as images of the course notes are.

    python -m bench.reproduce.photographs FOLDER

Each is made half as large, grey, and its Fourier transform is multiplied by f·exp(−(f/f₀)⁴), f₀ 0.4
cycles a pixel: that evens out the spectrum of natural images and leaves out the corners of it
(B. Olshausen, D. Field, "Sparse coding with an overcomplete basis set", 1997, section 4). Written
are images of 16 bits in which ±10 standard deviations are the range.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CUTOFF = 0.4
RANGE = 10
MIDDLE = 1 << 15
SMALLER = 2
"""The photographs are JPEG: at half their size its blocks do not show."""


def grey() -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield name and pixels (height, width) of each photograph."""
    for name in ("china", "flower"):
        source = resources.files("sklearn.datasets.images").joinpath(f"{name}.jpg")
        with source.open("rb") as file, Image.open(file) as image:
            yield name, np.asarray(image.convert("L").reduce(SMALLER), np.float64)


def whitened(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image (height, width) with an even spectrum, mean 0 and deviation 1."""
    down, across = (np.fft.fftfreq(size) for size in pixels.shape)
    frequency = np.hypot(down[:, None], across)
    filtered = np.fft.fft2(pixels) * frequency * np.exp(-((frequency / CUTOFF) ** 4))
    even = np.fft.ifft2(filtered).real
    return np.asarray(even / even.std())


def main() -> None:
    """Write the images."""
    folder = Path(sys.argv[1])
    folder.mkdir()
    for name, pixels in grey():
        levels = np.clip(MIDDLE + whitened(pixels) * MIDDLE / RANGE, 0, 2 * MIDDLE - 1)
        Image.fromarray(levels.astype(np.uint16)).save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
