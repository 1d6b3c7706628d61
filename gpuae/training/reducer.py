"""Where sums over the rows of a step are completed, if other rows of it are computed elsewhere.

There are two places in a step: between its way forward and its way back, where a rule for the code
needs the sums of all rows, and before the parameters are moved.
"""

from __future__ import annotations

from typing import Protocol

from gpuae.backends.ops import Array, Ops
from gpuae.model.objective import Totals


class Reducer(Protocol):
    """Whoever computes the same step on other rows has the same sums when a call is done.

    Calls with `ops` go through it, so they are recorded with the rest of a step. They complete
    arrays in place, in which this device's lanes have been added up in their order.
    """

    def rows(self, own: int) -> int:
        """Return m of the formulas: how many rows a step has, of which `own` are here."""
        ...

    def code(self, ops: Ops, units: Array) -> None:
        """Complete the sums of the code's units (k,), float64, and of the rows' weights if any."""
        ...

    def gradient(self, ops: Ops, own: Array) -> None:
        """Complete a slice of the gradient, of weights or biases."""
        ...

    def totals(self, own: Totals) -> Totals:
        """Return what was added up of all rows."""
        ...


class LocalReducer:
    """All rows of a step are here: nothing is missing."""

    def rows(self, own: int) -> int:
        """Return the same."""
        return own

    def code(self, ops: Ops, units: Array) -> None:
        """Leave them."""

    def gradient(self, ops: Ops, own: Array) -> None:
        """Leave it."""

    def totals(self, own: Totals) -> Totals:
        """Return the same."""
        return own
