"""What a new model makes of the rows that were held out, kept to know later rows by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import into, score
from gpuae.errors import InputError
from gpuae.model.model import Model
from gpuae.model.unlike import (
    BY_CHANCE,
    HELD_OUT_BEYOND,
    HELD_OUT_ERROR,
    HELD_OUT_ROWS,
    Unlike,
)

MEASURED_ROWS = 2000
"""At most so many are measured."""


def held_out_facts(
    trials: Sequence[tuple[Model, NDArray[Any]]], device: str
) -> dict[str, int | float]:
    """Return attributes of a model by models of its kind and rows (m, d) unseen by each."""
    errors, beyond = np.empty(0), 0.0
    for model, rows in trials:
        own, unlike = np.empty(len(rows)), Unlike.of(model, len(rows))
        try:
            score(model, rows, into(own), device=device, threads=model.config.threads)
        except InputError:  # rows that the model cannot be applied to say nothing about others
            return {}
        unlike.look_at(0, rows)
        errors = np.concatenate([errors, own])
        beyond += unlike.beyond
    if not len(errors):
        return {}
    return {
        HELD_OUT_ROWS: len(errors),
        HELD_OUT_ERROR: float(np.quantile(errors, 1 - BY_CHANCE, method="higher")),
        HELD_OUT_BEYOND: beyond / len(errors),
    }
