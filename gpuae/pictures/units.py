"""What pictures of units share: which units are shown, in which order, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuae import filters
from gpuae.errors import InputError
from gpuae.pictures.geometry import Floats, Geometry
from gpuae.pictures.likeness import alike_together
from gpuae.pictures.picture import Profiles, Tiles, Vector

MOST_UNITS = 1024
MOST_NUMBERS = 1 << 23
"""Of one picture: fewer units are shown where each has very many columns."""
MOST_CAPTIONS = 100
NOTHING = 1e-4
"""Share of the largest unit's size up to which a unit counts as empty."""
SIGNED = "grey: 0; white and black: each image's largest values (2% of it) and their opposites"
WHITE, LEAST_WHITE = 0.98, 0.25
"""Share of an image's pixels below white, and of its largest value that white is at least: a few
pixels that hardly vary in the data can have weights far above all others."""


@dataclass(frozen=True)
class Units:
    """Some units of a layer, in the order in which they are shown.

    Attributes
    ----------
    numbers
        Of the shown units, counted from 0, (n,).
    total
        How many the layer has.
    patterns
        What is shown of each, (n, d), as `Geometry.shown_differences` gives it; those that are
        nothing beside the others are zeros.
    empty
        Whether they are nothing, (n,).
    """

    numbers: NDArray[np.int64]
    total: int
    patterns: Floats
    empty: NDArray[np.bool_]

    @classmethod
    def of(
        cls, patterns: Floats, sizes: Vector, geometry: Geometry, total: int, *, alike: bool
    ) -> Units:
        """Take the patterns (n, d) of the first n units, those that look alike together if asked.

        `sizes` (n,) say how much of each there is.
        """
        empty = sizes <= NOTHING * sizes.max()
        flat = np.where(empty[:, None], 0.0, patterns)
        order = alike_together(flat, geometry) if alike else np.arange(len(flat))
        return cls(order, total, flat[order], empty[order])

    @property
    def captions(self) -> tuple[str, ...]:
        """Return the numbers of the units; nothing where they are very many."""
        few = len(self.numbers) <= MOST_CAPTIONS
        return tuple(str(number) for number in self.numbers) if few else ()

    @property
    def scaled(self) -> Floats:
        """The patterns, each with its largest values at −1 or 1 or beyond."""
        sizes = np.abs(self.patterns)
        largest = sizes.max(axis=1, keepdims=True)
        white = np.quantile(sizes, WHITE, axis=1, keepdims=True, method="inverted_cdf")
        white = np.maximum(white, LEAST_WHITE * largest)
        return np.asarray(self.patterns / np.where(white > 0, white, 1.0))

    def sentences(self, *, alike: bool) -> tuple[str, ...]:
        """Say which units are shown, and how."""
        said = []
        shown = len(self.numbers)
        if shown < self.total:
            said.append(f"shown are the first {shown:,} of {self.total:,} units")
        if self.captions:
            said.append("numbers are those of the units, counted from 0")
        if alike:
            said.append("alike units stand together")
        if self.empty.any():
            count = int(self.empty.sum())
            units = "1 unit is" if count == 1 else f"{count:,} units are"
            said.append(f"{units} nearly 0 throughout and shown flat")
        return tuple(said)

    @property
    def described(self) -> str:
        """Say how many units there are, and how many of them are empty."""
        shown, empty = len(self.numbers), int(self.empty.sum())
        which = f"each of {shown:,} units" if shown > 1 else "the one unit"
        if shown < self.total:
            which = f"each of the first {shown:,} of {self.total:,} units"
        return which + (f" ({empty:,} of them nearly 0 throughout)" if empty else "")

    def figures(self, geometry: Geometry) -> str:
        """Say what the patterns have in common, in a sentence; nothing where all are empty."""
        patterns = self.patterns[~self.empty]
        if not len(patterns):
            return ""
        if geometry.kind == "images":
            return _of_images(geometry.images(patterns))
        peaks = np.argmax(np.abs(patterns), axis=1)
        if geometry.kind == "curves":
            low, middle, high = np.quantile(geometry.x[peaks], (0.25, 0.5, 0.75))
            return f"They are largest around {middle:g}, half of them from {low:g} to {high:g}."
        counts = np.bincount(peaks, minlength=len(geometry.names))
        most = [own for own in np.argsort(-counts, kind="stable")[:3] if counts[own]]
        columns = ", ".join(f"{geometry.names[own]} ({counts[own]:,})" for own in most)
        return f"Columns that are largest in most units: {columns}."

    def panel(self, title: str, geometry: Geometry) -> Tiles | Profiles:
        """Draw each unit on its own scale about 0."""
        if geometry.kind == "images":
            return geometry.tiles(
                title, [self.scaled], span=(-1.0, 1.0), captions=self.captions, scale=SIGNED
            )
        return geometry.profiles(
            title, [self.patterns], values=geometry.units, captions=self.captions, shared=False
        )


def _of_images(images: Floats) -> str:
    """Say how local and how oriented images are that filters can be measured of."""
    if np.isnan(images).any():
        return ""
    colour = images.ndim == 4
    spread = float(np.median(filters.locality(images, colour=colour)))
    said = f"Their median locality is {spread:.2f} (0: one pixel, 1: the whole image evenly)"
    if min(images.shape[1:3]) < 3:
        return f"{said}."
    share = float(filters.edges(images, colour=colour).mean())
    return f"{said}; {share:.0%} are local and oriented, as edges are."


def how_many(count: int | None, total: int, columns: int) -> int:
    """Return how many of the units are shown, if so many are asked for.

    Raises
    ------
    InputError
        For fewer than one.
    """
    if count is not None and count < 1:
        raise InputError(f"count: is {count}; give how many units to show, at least 1")
    most = max(1, min(MOST_UNITS, MOST_NUMBERS // columns)) if count is None else count
    return min(total, most)
