"""Rows that a loss can make nothing of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.functions.losses import ANY_TARGETS, LOSSES
from gpuae.model.statistics import blocks
from gpuae.storage.rows.lazy_rows import AnyRows


def unfit_targets(x: AnyRows, config: Config, rows: NDArray[np.int64] | None = None) -> str | None:
    """Say why rows of x (n, d) are no targets of the loss; None where nothing is wrong with them.

    Only rows that are taken as they are can be wrong, and counts below 0: another scaling brings
    them to where they belong, or the settings were refused.
    """
    targets = LOSSES[config.loss].targets
    if config.scale == "log1p":
        return _no_counts(x, rows)
    if targets is ANY_TARGETS or config.scale != "none" or config.whiten != "none":
        return None
    for block in blocks(x, rows):
        lowest, highest = float(block.min()), float(block.max())
        if not targets.include(lowest, highest):
            return (
                f"loss {config.loss} needs targets {targets.words} and some of them span "
                f"[{lowest:g}, {highest:g}]; {targets.remedy}"
            )
    return None


def _no_counts(x: AnyRows, rows: NDArray[np.int64] | None) -> str | None:
    lowest = min((float(block.min()) for block in blocks(x, rows)), default=0.0)
    if lowest < 0:
        return (
            f"scale log1p takes counts, of 0 or more, and some values are as low as {lowest:g}; "
            "give counts that nothing was subtracted from"
        )
    return None
