"""Which columns make rows have the scores that they have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae.model.model import Model
from gpuae.outliers import table_names
from gpuae.pictures.geometry import Geometry, numbers_in, span_of
from gpuae.pictures.picture import Axes, Panel, Profiles, Vector
from gpuae.pictures.sample import Sample
from gpuae.words import percent

MOST_COLUMNS = 10
"""With a bar and a name."""
ACROSS, IMAGES_ACROSS = 2, 4
"""So many small plots, or images, stand in a row."""

Shares = NDArray[np.float64]


def blame(model: Model, sample: Sample, scores: Vector, shares: Shares) -> Panel:
    """Show each column's share (m, d) of the score of each of some rows."""
    geometry = Geometry.of(model)
    captions = tuple(
        f"{score:.3g}, {name}" for score, name in zip(scores, sample.names(), strict=True)
    )
    title = "What makes the worst row so"
    if len(scores) > 1:
        title = f"What makes the {len(scores)} worst rows so"
    if geometry.kind == "images":
        return _images(geometry, title, sample, shares, captions)
    if geometry.kind == "bars" or model.categorical or _is_named(model):
        return _bars(model, title, shares, captions)
    what = "share of the row's error"
    return geometry.profiles(title, [shares], values=what, captions=captions, shared=False)


def reason(model: Model, shares: Vector) -> str:
    """Return which column has the largest share (d,) of a row's score, after its name."""
    largest = int(np.argmax(shares))
    if Geometry.of(model).kind == "images" or not shares[largest]:
        return ""
    name = table_names(model)[largest]
    return f", of which the column {name} makes {percent(float(shares[largest]))}"


def _is_named(model: Model) -> bool:
    """Whether columns have names that are no numbers on an axis."""
    return model.feature_names is not None and numbers_in(model.feature_names) is None


def _images(
    geometry: Geometry, title: str, sample: Sample, shares: Shares, captions: tuple[str, ...]
) -> Panel:
    """Show rows, and below each where its error is, of which squares would show the peaks alone."""
    rows = geometry.shown(sample.x)
    low, high = span_of(rows)
    sizes = np.sqrt(shares)
    largest = sizes.max(axis=1, keepdims=True)
    return geometry.tiles(
        title,
        [(rows - low) / (high - low), sizes / np.where(largest > 0, largest, 1.0)],
        span=(0.0, 1.0),
        labels=("row", "its error"),
        captions=(*captions, *[""] * len(captions)),
        across=min(IMAGES_ACROSS, len(captions)),
        scale="rows: their lowest to their highest value; errors, not squared: 0 to the largest in "
        "the row",
    )


def _bars(model: Model, title: str, shares: Shares, captions: tuple[str, ...]) -> Profiles:
    """Show the columns of the largest shares, by their names, the largest first."""
    order = np.argsort(-shares.sum(axis=0), kind="stable")[:MOST_COLUMNS]
    names = table_names(model)
    if len(names) > MOST_COLUMNS:
        title += f": the {MOST_COLUMNS} of {len(names):,} columns that do most"
    return Profiles(
        title,
        Axes("column", "share of the row's error"),
        np.arange(1.0, len(order) + 1),
        shares[:, order][None],
        min(ACROSS, len(captions)),
        captions=captions,
        names=tuple(names[column] for column in order),
        bars=True,
    )
