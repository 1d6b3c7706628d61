"""What each unit of the code writes: the row that a code of this unit alone is decoded to."""

from __future__ import annotations

import numpy as np

from gpuae.encoding import check_rebuilds, decode, encode, into
from gpuae.functions.activations import ACTIVATIONS
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.pictures.geometry import Floats, Geometry, span_of
from gpuae.pictures.picture import Picture, Profiles, Tiles, Vector
from gpuae.pictures.units import MOST_NUMBERS, Units, how_many

TITLE = "What each code unit writes"
FEWEST_DRAWN, MOST_DRAWN, SEED = 32, 512, 0
MARGIN, USUAL_SHARE = 0.05, 0.1
"""Of the span of a column's values; of columns that are beyond."""
LEAST = 1e-6
"""Of the largest value: what is less is rounding."""
ZEROS, ALONE = "A code of zeros", "What each unit adds to it"


def onehot(model: Model, *, count: int | None = None, alike: bool = False) -> Picture:
    """Show what each unit of the code alone adds to what a code of zeros is decoded to.

    decode(a·e) − decode(0), where e is 1 at one unit and 0 at all others. Of one layer with a
    straight output it is the unit's row of the decoder times a, whatever the others are. decode(0)
    itself comes first. It is no usual row where usual codes are far from zeros, as those of sigmoid
    without a penalty are, and then that is said.

    a is the most that an activation with an end comes to (1 of sigmoid and tanh), else the unit's
    usual size, the root mean square of its values that are not 0, of rows drawn from a normal
    distribution with the training rows' principal axes; 1 where the model has none.

    Parameters
    ----------
    count
        Show the first so many units; None for all, up to 1,024, or fewer of very many columns.
    alike
        Let alike units stand together rather than in the order of their numbers.

    Raises
    ------
    InputError
        For a count below 1, and for a classifier, which has no decoder.
    """
    check_rebuilds(model)
    geometry, total = Geometry.of(model), model.network.code_size
    shown = how_many(count, total, model.network.columns)
    codes = np.zeros((shown + 1, total))
    codes[1 + np.arange(shown), np.arange(shown)] = usual_sizes(model)[:shown]
    raw = np.empty((shown + 1, model.network.columns))
    decode(model, codes.astype(model.config.dtype), into(raw), machine=Machine("cpu", 1))
    rows = geometry.shown(raw)
    zero = _unrounded(rows)
    differences = rows[1:] - rows[0]
    sizes = np.abs(differences).max(axis=1)
    units = Units.of(differences, sizes, geometry, total, alike=alike)
    description = (
        f"What the code of {units.described} alone adds to what a code of zeros is decoded "
        f"to, {geometry.described}. {units.figures(geometry)}"
    )
    notes = (*_unusual(model, raw[:1]), *units.sentences(alike=alike))
    panels = _panel_of_zeros(model, geometry, zero), units.panel(ALONE, geometry)
    return Picture(TITLE, panels, description.rstrip(), notes)


def usual_sizes(model: Model) -> Vector:
    """Return what each unit of the code is when it is on, (k,), as `onehot` says."""
    highest = ACTIVATIONS[model.network.layers[model.network.code].activation].range[1]
    if np.isfinite(highest) or model.pca is None:
        return np.full(model.network.code_size, highest if np.isfinite(highest) else 1.0)
    axes, spread = model.pca.axes, np.sqrt(model.pca.variances)
    count = max(FEWEST_DRAWN, min(MOST_DRAWN, MOST_NUMBERS // model.network.columns))
    drawn = np.random.default_rng(SEED).standard_normal((count, len(spread)))
    rows = model.preprocess.backward(model.pca.mean + (drawn * spread) @ axes.T)
    codes = np.empty((count, model.network.code_size))
    encode(model, rows, into(codes), machine=Machine("cpu", 1))
    squares = codes**2
    sizes = np.sqrt(squares.sum(axis=0) / np.maximum((squares > 0).sum(axis=0), 1))
    return np.where(sizes > 0, sizes, 1.0)


def _unusual(model: Model, zero: Floats) -> tuple[str, ...]:
    """Say so where a row (1, d) is often outside of what its columns were in training."""
    own = model.preprocess
    margin = MARGIN * (own.high - own.low)
    found = own.forward(zero)
    share = ((found < own.low - margin) | (found > own.high + margin)).mean()
    if share <= USUAL_SHARE:
        return ()
    return (
        "a code of zeros is unlike the codes of training rows: what it is decoded to is beyond "
        f"their values in {share:.0%} of the columns",
    )


def _unrounded(rows: Floats) -> Vector:
    """Return the first of the rows (n, d), 0 where it is nothing but rounding beside the others."""
    largest = np.abs(rows).max()
    return np.where(np.abs(rows[0]) < LEAST * largest, 0.0, rows[0])


def _panel_of_zeros(model: Model, geometry: Geometry, zero: Vector) -> Tiles | Profiles:
    """Draw the row that a code of zeros is decoded to, as rows are drawn."""
    if geometry.kind != "images":
        return geometry.profiles(ZEROS, [zero[None]], values=geometry.units)
    span, preprocess = span_of(zero), model.preprocess
    ends = np.stack([preprocess.low, preprocess.high])
    if preprocess.whitening is None and np.isfinite(ends).all():  # else their reach is not known
        span = span_of(preprocess.backward(ends))
    inside = np.clip(zero, *span)[None]
    return geometry.tiles(ZEROS, [inside], span=span, scale=f"from {span[0]:.3g} to {span[1]:.3g}")
