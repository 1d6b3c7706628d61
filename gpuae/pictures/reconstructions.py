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
from gpuae.machine import ANY, Machine
from gpuae.model.feed import Feed
from gpuae.model.missing import filled_once
from gpuae.model.model import Model
from gpuae.pictures.geometry import Floats, Geometry, span_of
from gpuae.pictures.picture import Panel, Picture, Vector
from gpuae.pictures.sample import Sample
from gpuae.words import counted

TITLE = "Rows and their reconstructions"
TOGETHER, APART = "Rows", "Differences from the original"
ORIGINAL, NOISY, REBUILT = "original", "with noise", "reconstruction"
ERROR = "mean squared error in the network's units"
MOST_ROWS = 100
IMAGES_ACROSS, CURVES_ACROSS = 10, 5


@dataclass(frozen=True)
class Rebuilt:
    """Rows in the data's own units (m, d), and their errors (m,).

    Attributes
    ----------
    noisy
        What the network was given; None where that is the rows as they are.
    errors, noise_errors
        Mean over columns of (x̂ − x)², preprocessed, of what was made and of what was given, where x
        has no noise.
    """

    rows: Floats
    noisy: Floats | None
    made: Floats
    errors: Vector
    noise_errors: Vector

    @property
    def sets(self) -> dict[str, Floats]:
        """All rows by what they are."""
        noisy = {} if self.noisy is None else {NOISY: self.noisy}
        return {ORIGINAL: self.rows, **noisy, REBUILT: self.made}


def reconstructions(
    model: Model,
    sample: Sample,
    *,
    noise: bool = True,
    machine: Machine = ANY,
) -> Picture:
    """Show rows above what the model makes of them, with the error of each.

    A model that was trained on noisy rows is given them with the noise of its first epoch, which
    stands between; its error is the distance to the row without noise. Curves hide each other, so
    their differences are shown as well.

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
    check_rebuilds(model)
    check_columns(model, sample.x.shape[1])
    part = sample.part(np.arange(min(len(sample.x), MOST_ROWS)))
    noisy = noise and model.config.noise != "none" and model.config.of_layer("noise_level", 0) > 0
    rebuilt = rebuild(model, part, noisy=noisy, device=machine.device)
    geometry = Geometry.of(model)
    notes = (*_which(sample, part), f"numbers are the {ERROR}", *_of_noise(model, rebuilt))
    panels = _panels(geometry, part.names(), rebuilt)
    return Picture(TITLE, panels, _description(geometry, rebuilt), notes, across=1)


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
        tile = buffers.tile
        if noisy:
            tile = replace(tile, noisy=ops.empty(tile.clean.shape, model.config.dtype))
        feed = Feed.create(ops, rows, model.preprocess, model.config, noisy=noisy)
        clock = Clock(ops.zeros((4,), "int64"), ops.zeros((1,), "float64"))
        places = ops.asarray(np.arange(len(rows)))
        feed.load(tile, Rows(ops.asarray(sample.numbers), clock, 0, len(rows), places))
        given = buffers.restore(tile, tile.noisy, rows).copy() if noisy else None
        buffers.propagation.encode(tile, None, None)
        buffers.propagation.decode(tile, None)
        output = buffers.reconstruct(tile)
        clean, wanted = ops.to_host(tile.clean), (output, tile.noisy)
        errors = [_distances(ops.to_host(own), clean) for own in wanted]
        made = buffers.restore(tile, output, rows).copy()
    if not (np.isfinite(made).all() and np.isfinite(errors).all()):
        raise InputError(
            "a reconstruction is no finite number: the rows are too large for the model; give rows "
            "in the units that it was trained on"
        )
    return Rebuilt(sample.x.astype(np.float64), given, made, *errors)


def _distances(rows: NDArray[Any], others: NDArray[Any]) -> Vector:
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
        return np.asarray(((rows.astype(np.float64) - others) ** 2).mean(axis=1))


def _panels(geometry: Geometry, names: tuple[str, ...], own: Rebuilt) -> tuple[Panel, ...]:
    if geometry.kind == "images":
        return (_images(geometry, names, own),)
    labels, sets = tuple(own.sets), [geometry.shown(rows) for rows in own.sets.values()]
    captions = tuple(": ".join(both) for both in zip(names, _figures(own.errors), strict=True))
    units = geometry.units
    alike: dict[str, Any] = {"values": units, "labels": labels, "captions": captions}
    if geometry.kind == "bars":
        return (geometry.profiles("", sets, **alike),)
    alike["across"] = min(len(names), CURVES_ACROSS)
    gaps = [rows - sets[0] for rows in sets]
    together = geometry.profiles(TOGETHER, sets, **alike)
    return together, geometry.profiles(APART, gaps, **alike)


def _images(geometry: Geometry, names: tuple[str, ...], own: Rebuilt) -> Panel:
    span = span_of(own.rows)
    between = () if own.noisy is None else _figures(own.noise_errors)
    return geometry.tiles(
        "",
        [np.clip(rows, *span) for rows in own.sets.values()],
        span=span,
        labels=tuple(own.sets),
        captions=(*names, *between, *_figures(own.errors)),
        across=min(len(names), IMAGES_ACROSS),
        scale=f"black: {span[0]:.3g}, white: {span[1]:.3g}; what lies beyond is cut off",
    )


def _figures(errors: Vector) -> tuple[str, ...]:
    return tuple(f"{error:.3g}" for error in errors)


def _which(sample: Sample, part: Sample) -> tuple[str, ...]:
    if len(part.x) < len(sample.x):
        return (f"shown are the first {len(part.x):,} of {len(sample.x):,} rows",)
    return sample.notes


def _of_noise(model: Model, own: Rebuilt) -> tuple[str, ...]:
    if own.noisy is None:
        return ()
    level = model.config.of_layer("noise_level", 0)
    kind = f"noise={model.config.noise}, noise_level={level:g}"
    return (f"the noise is that of the first epoch of training ({kind})",)


def _description(geometry: Geometry, own: Rebuilt) -> str:
    count, errors = len(own.rows), own.errors
    noisy = ""
    if own.noisy is not None:
        before = f"{own.noise_errors.mean():.3g}"
        noisy = f"; that of the noisy rows that they were made from is {before}"
    return (
        f"{counted(count, 'row')} {geometry.described}, each with its "
        f"reconstruction. The {ERROR} is {errors.mean():.3g} on average, from "
        f"{errors.min():.3g} to {errors.max():.3g}{noisy}."
    )
