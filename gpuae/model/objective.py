"""J: the loss and its penalties, put together from sums that were collected row by row."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.config import Config


@dataclass(frozen=True)
class Totals:
    """What a pass over some rows adds up; penalties of a step count once for each of its rows.

    Attributes
    ----------
    rows
        How many rows.
    loss
        Σ_rows loss(x̂, x).
    absolute_code
        Σ|a| of the code, for l1.
    squared_weights
        Σ_rows Σ_W ‖W‖², for weight decay.
    kl
        Σ_rows β Σ_j KL(ρ‖ρ̂_j).
    """

    rows: int
    loss: float
    absolute_code: float
    squared_weights: float
    kl: float


def objective(totals: Totals, config: Config) -> float:
    """Return J, weighted by rows: (1/m) Σ_rows loss + (λ/2) Σ_W ‖W‖² + the penalty on the code."""
    decay = config.weight_decay / 2 * totals.squared_weights
    sparsity = totals.kl
    if config.sparsity == "l1":
        sparsity = config.resolved("l1") * totals.absolute_code
    return (totals.loss + decay + sparsity) / totals.rows
