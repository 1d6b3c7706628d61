"""An order in which patterns that look alike are neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.geometry import Floats, Geometry

MOST_TURNED = 700
"""Of more patterns the branches of the tree are not turned, which would take seconds."""
BLUR = 1 / 8
"""Share of the side of an image, or of the length of a curve."""


def alike_together(patterns: Floats, geometry: Geometry) -> NDArray[np.int64]:
    """Return an order of patterns (n, d), as they are shown, in which alike ones are neighbours.

    The leaves of a tree of clusters (average linkage of 1 − cosine of `looks`), turned such that
    neighbours are as near as they can be; zeros come last.

    Source: Z. Bar-Joseph, D. Gifford, T. Jaakkola, "Fast optimal leaf ordering for hierarchical
    clustering", 2001.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import pdist

    there = patterns.any(axis=1)
    some, none = np.flatnonzero(there), np.flatnonzero(~there)
    if len(some) < 3:
        return np.concatenate([some, none])
    distances = np.maximum(pdist(looks(patterns[some], geometry), "cosine"), 0.0)
    tree = linkage(distances, "average")
    if len(some) <= MOST_TURNED:
        tree = optimal_leaf_ordering(tree, distances)
    return np.concatenate([some[leaves_list(tree)], none])


def looks(patterns: Floats, geometry: Geometry) -> Floats:
    """Return what patterns (n, d) are compared by, (n, …).

    They themselves, with their sign; and of images and curves also the amplitudes of their
    frequencies and, blurred, where they are large. Those tell a grating from a blob and left from
    right where patterns are all at right angles, as PCA's are. Each part has the same weight.
    """
    parts = [patterns]
    if geometry.kind != "bars":
        parts += _spread(patterns, geometry)
    flat = (part.reshape(len(part), -1) for part in parts)
    return np.concatenate([_of_length_one(part) for part in flat], axis=1)


def _spread(patterns: Floats, geometry: Geometry) -> list[Floats]:
    """Return the amplitudes of frequencies, and where the pattern is large, blurred."""
    from scipy.ndimage import gaussian_filter

    images = geometry.kind == "images"
    values = np.nan_to_num(geometry.images(patterns)) if images else patterns
    axes = (1, 2) if images else (1,)
    width = [BLUR * size if axis in axes else 0.0 for axis, size in enumerate(values.shape)]
    return [np.abs(np.fft.rfftn(values, axes=axes)), gaussian_filter(np.abs(values), width)]


def _of_length_one(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))
