"""What each unit of the first layer looks for."""

from __future__ import annotations

import numpy as np

from gpuae.filters import maximal_inputs
from gpuae.model.model import Model
from gpuae.pictures.geometry import Geometry
from gpuae.pictures.picture import Picture
from gpuae.pictures.units import Units, how_many

TITLE = "What each unit looks for"


def weights(model: Model, *, count: int | None = None, alike: bool = False) -> Picture:
    """Show what excites each unit of the first layer most, of all inputs of the same length.

    That is w/‖w‖ in the model's preprocessed units, brought back into the data's own as a
    difference from the mean (`gpuae.filters.maximal_inputs`); columns of different units stay
    scaled.

    Parameters
    ----------
    count
        Show the first so many units; None for all, up to 1,024, or fewer of very many columns.
    alike
        Let alike units stand together rather than in the order of their numbers.

    Raises
    ------
    InputError
        For a count below 1.
    """
    geometry, total = Geometry.of(model), model.network.layers[0].n_out
    shown = how_many(count, total, model.network.columns)
    own = np.asarray(model.network.views(model.parameters)[0].weight[:, :shown], np.float64)
    found = geometry.shown_differences(maximal_inputs(model, shown))
    units = Units.of(found, np.linalg.norm(own, axis=0), geometry, total, alike=alike)
    description = (
        f"The input that excites {units.described} of the first layer most, "
        f"{geometry.described}. {units.figures(geometry)}"
    )
    notes = ("shown is how an input differs from the mean", *units.sentences(alike=alike))
    panels = (units.panel("", geometry),)
    return Picture(TITLE, panels, description.rstrip(), notes, across=1)
