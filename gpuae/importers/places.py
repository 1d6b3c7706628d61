"""The places of patches in images: tiles side by side, or positions drawn at random.

The words of patch i are `philox.words(seed, PATCHES, i, 2)`; the highest 53 of their 64 bits as a
fraction, times the number of all positions in all images, are its position. Patches come in the
order of the images, and within one in the order in which they were drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.philox import Purpose, words
from gpuae.importers.picture import Picture

DRAWN_AT_ONCE = 1 << 16
BYTES_A_DRAW = 32
"""Of memory for each position, while they are put into the order of the images."""

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Row and column of the upper left pixel of each of some patches."""


class Layout(Protocol):
    """The places of patches in images."""

    @property
    def ends(self) -> NDArray[np.int64]:
        """How many patches there are up to the end of each image."""
        ...

    def places(self, image: int, start: int, stop: int) -> Places:
        """Return where the patches start … stop − 1 of all are, which are in this image."""
        ...


class Tiles:
    """Patches of (height, width) side by side, row by row, as far as whole ones fit."""

    def __init__(self, pictures: Sequence[Picture], size: tuple[int, int]) -> None:
        self._size = size
        self._across = [picture.width // size[1] for picture in pictures]
        down = [picture.height // size[0] for picture in pictures]
        self.ends = np.cumsum(np.multiply(self._across, down, dtype=np.int64))

    def places(self, image: int, start: int, stop: int) -> Places:
        """Return where some tiles are."""
        first = int(self.ends[image - 1]) if image else 0
        down, across = np.divmod(np.arange(start - first, stop - first), self._across[image])
        return down * self._size[0], across * self._size[1]


class Drawn:
    """Patches of (height, width) at `count` positions, all equally likely."""

    def __init__(
        self, pictures: Sequence[Picture], size: tuple[int, int], count: int, seed: int
    ) -> None:
        self._count, self._seed = count, seed
        self._across = [picture.width - size[1] + 1 for picture in pictures]
        down = [picture.height - size[0] + 1 for picture in pictures]
        self._totals = np.cumsum(np.multiply(self._across, down, dtype=np.int64))

    @property
    def ends(self) -> NDArray[np.int64]:
        """How many patches there are up to the end of each image."""
        return self._sorted[1]

    def places(self, image: int, start: int, stop: int) -> Places:
        """Return where some patches are."""
        first = int(self._totals[image - 1]) if image else 0
        down, across = np.divmod(self._sorted[0][start:stop] - first, self._across[image])
        return down, across

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All positions in the order of the images, and how many are up to the end of each."""
        positions = np.concatenate(list(self._positions()))
        image = np.searchsorted(self._totals, positions, side="right").astype(np.int32)
        ends = np.cumsum(np.bincount(image, minlength=len(self._totals)))
        return positions[np.argsort(image, kind="stable")], ends

    def _positions(self) -> Iterator[NDArray[np.int64]]:
        for start in range(0, self._count, DRAWN_AT_ONCE):
            rows = np.arange(start, min(start + DRAWN_AT_ONCE, self._count))
            drawn = words(self._seed, Purpose.PATCHES, rows, 2).astype(np.uint64)
            high = (drawn[:, 0] << np.uint64(21)) | (drawn[:, 1] >> np.uint64(11))
            yield (high * 2.0**-53 * float(self._totals[-1])).astype(np.int64)
