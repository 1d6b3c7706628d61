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
        Σ_rows loss(x̂, x), each row by its weight, if rows have any.
    code
        What the rule for the code adds up row by row, such as Σ|a|.
    squared_weights
        Σ_rows Σ_W ‖W‖², for weight decay.
    penalty
        Σ_rows of a penalty on the code that depends on all rows of a step.
    """

    rows: int
    loss: float
    code: float
    squared_weights: float
    penalty: float


def objective(totals: Totals, config: Config) -> float:
    """Return J, weighted by rows: (1/m) Σ_rows loss + (λ/2) Σ_W ‖W‖² + the penalty on the code."""
    decay = config.weight_decay / 2 * totals.squared_weights
    on_code = config.code_rule.penalty(config, totals.code, totals.penalty)
    return (totals.loss + decay + on_code) / totals.rows
