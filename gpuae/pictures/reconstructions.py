"""Rows, what the model's noise makes of them in training, and what the model makes of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Clock, Rows
from gpuae.encoding import InferenceBuffers, check_columns, check_rebuilds
from gpuae.errors import InputError
from gpuae.model.feed import Feed
from gpuae.model.missing import filled_once
from gpuae.model.model import Model
from gpuae.pictures.geometry import Floats, Geometry
from gpuae.pictures.picture import Panel, Picture, Vector
from gpuae.pictures.sample import Sample

TITLE = "Rows and their reconstructions"
MOST_ROWS = 100
MOST_ACROSS = 10
ERROR = "mean squared error in the network's units"


@dataclass(frozen=True)
class Rebuilt:
    """Rows in the data's own units (m, d), and the errors of reconstructions (m,).

    Attributes
    ----------
    noisy
        What the network was given; None where that is the rows as they are.
    errors
        Mean over columns of (x̂ − x)², preprocessed, where x has no noise.
    """

    rows: Floats
    noisy: Floats | None
    made: Floats
    errors: Vector


def reconstructions(
    model: Model,
    sample: Sample,
    *,
    noise: bool = True,
    device: str = "auto",
    threads: int | None = None,
) -> Picture:
    """Show rows above what the model makes of them, with the error of each.

    A model that was trained on noisy rows is given them with the noise of its first epoch, which
    stands between; its error is the distance to the row without noise.

    Parameters
    ----------
    sample
        The first 100 rows of it are shown.
    noise
        Whether rows get the model's noise, if it has some.

    Raises
    ------
    InputError
        For rows of another width, and for a classifier, which has no decoder.
    """
    del threads  # few rows are one block
    check_rebuilds(model)
    check_columns(model, sample.x.shape[1])
    part = sample.part(np.arange(min(len(sample.x), MOST_ROWS)))
    noisy = noise and model.config.noise != "none" and model.config.of_layer("noise_level", 0) > 0
    rebuilt = rebuild(model, part, noisy=noisy, device=device)
    geometry = Geometry.of(model)
    notes = (
        *_counted(sample, part),
        f"the number of each is the {ERROR}",
        *_of_noise(model, rebuilt),
    )
    return Picture(
        TITLE,
        (_panel(geometry, part.names(), rebuilt),),
        _description(geometry, rebuilt),
        notes,
        across=1,
    )


def rebuild(model: Model, sample: Sample, *, noisy: bool, device: str) -> Rebuilt:
    """Bring rows through the network, with the noise that they get in the first epoch if asked.

    Raises
    ------
    InputError
        Where a result is no finite number.
    """
    ops = get_ops(resolve_device(device))
    rows = np.ascontiguousarray(filled_once(sample.x, model.preprocess.fill))
    with ops.session():
        buffers = InferenceBuffers(model, ops, rows.dtype, len(rows))
        tile = replace(buffers.tile, noisy=ops.empty(buffers.tile.clean.shape, model.config.dtype))
        feed = Feed.create(ops, rows, model.preprocess, model.config, noisy=noisy)
        clock = Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64"))
        places = ops.asarray(np.arange(len(rows)))
        feed.load(tile, Rows(ops.asarray(sample.numbers), clock, 0, len(rows), places))
        if not noisy:
            tile = replace(tile, noisy=tile.clean)
        given = buffers.restore(tile, tile.noisy).copy() if noisy else None
        buffers.propagation.encode(tile, None, None)
        buffers.propagation.decode(tile, None)
        output = buffers.propagation.reconstruct(tile)
        squares = (_wide(ops.to_host(output)) - ops.to_host(tile.clean)) ** 2
        made = buffers.restore(tile, output).copy()
    if not (np.isfinite(made).all() and np.isfinite(squares).all()):
        raise InputError(
            "a reconstruction is no finite number; the rows are too large for the model"
        )
    return Rebuilt(_wide(sample.x), given, made, squares.mean(axis=1))


def _wide(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float64)


def _panel(geometry: Geometry, names: tuple[str, ...], own: Rebuilt) -> Panel:
    between = {} if own.noisy is None else {"with noise": own.noisy}
    sets = {"original": own.rows, **between, "reconstruction": own.made}
    labels, shown = tuple(sets), [geometry.shown(rows) for rows in sets.values()]
    figures = tuple(f"{error:.3g}" for error in own.errors)
    if geometry.kind != "images":
        captions = tuple(": ".join(both) for both in zip(names, figures, strict=True))
        return geometry.profiles(
            "", shown, values=geometry.units, labels=labels, captions=captions, shared=True
        )
    captions = (*names, *("" for _ in names for _ in between), *figures)
    span = span_of(own.rows)
    shown = [np.clip(rows, *span) for rows in shown]
    across = min(len(names), MOST_ACROSS)
    return geometry.tiles(
        "", shown, span=span, labels=labels, captions=captions, across=across, scale=_scale(span)
    )


def span_of(rows: Floats) -> tuple[float, float]:
    """Return the lowest and the highest value, missing ones aside; never the same two."""
    known = rows[~np.isnan(rows)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _scale(span: tuple[float, float]) -> str:
    return f"black: {span[0]:g}, white: {span[1]:g}, as in the originals; others are cut off there"


def _counted(sample: Sample, part: Sample) -> tuple[str, ...]:
    if len(part.x) < len(sample.x):
        return (f"shown are the first {len(part.x):,} of {len(sample.x):,} rows",)
    return sample.notes


def _of_noise(model: Model, own: Rebuilt) -> tuple[str, ...]:
    if own.noisy is None:
        return ()
    level = model.config.of_layer("noise_level", 0)
    kind = model.config.noise.replace("_", " ")
    return (f"the noise is that of the first epoch of training: {kind}, {level:g}",)


def _description(geometry: Geometry, own: Rebuilt) -> str:
    count, errors = len(own.rows), own.errors
    noisy = "" if own.noisy is None else ", between them the same with the noise of training"
    return (
        f"{count:,} {'row' if count == 1 else 'rows'} {geometry.described}, each with its "
        f"reconstruction{noisy}. The {ERROR} is {errors.mean():.3g} on average, from "
        f"{errors.min():.3g} to {errors.max():.3g}."
    )
