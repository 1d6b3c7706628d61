"""What a new model makes of the rows that were held out, kept to know later rows by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import score
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


def held_out_facts(model: Model, rows: NDArray[Any], device: str) -> dict[str, int | float]:
    """Return attributes of a model by some rows (m, d) that it was not trained on."""
    errors = np.empty(len(rows))
    unlike = Unlike.of(model, len(rows))

    def sink(start: int, block: NDArray[np.float64]) -> None:
        unlike.look_at(start, rows[start : start + len(block)])
        errors[start : start + len(block)] = block

    try:
        score(model, rows, sink, device=device, threads=model.config.threads)
    except InputError:  # rows that the model cannot be applied to say nothing about others
        return {}
    return {
        HELD_OUT_ROWS: len(rows),
        HELD_OUT_ERROR: float(np.quantile(errors, 1 - BY_CHANCE, method="higher")),
        HELD_OUT_BEYOND: unlike.beyond / max(1, unlike.looked_at),
    }
