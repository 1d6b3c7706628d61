"""Rules for the code: which units of a row stay, and what the code costs.

A rule says here what it adds up over rows, what goes back from it, and what it asks of the
settings. The operations that it calls are described in `gpuae.backends.ops`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Operations: TypeAlias = Any
"""`gpuae.backends.ops.Ops`, which this package is below of."""
Array: TypeAlias = Any
Settings: TypeAlias = Any
"""A resolved `gpuae.config.Config`."""


@dataclass(frozen=True)
class CodeRule:
    """A rule that changes nothing; others override what they do.

    Attributes
    ----------
    sentence
        What it does, for help and documents.
    settings
        Names of the settings that have an effect with this rule only.
    weight
        The one of them that weighs a penalty, and its default beside a loss that is a sum over
        columns.
    weaker
        What would let the network rebuild its rows better.
    bounded
        Whether it needs units between 0 and 1, or −1 and 1.
    reduces
        Whether what goes back depends on the code of all rows of the step.
    selects
        Whether some units of a row stay and others become 0.
    """

    name: str
    sentence: str
    settings: tuple[str, ...] = ()
    weight: tuple[str, float] | None = None
    weaker: str = ""
    bounded: bool = False
    reduces: bool = False
    selects: bool = False

    @property
    def constrains(self) -> bool:
        """Whether it asks anything of the code."""
        return bool(self.settings)

    def select(self, ops: Operations, config: Settings, code: Array, mask: Array) -> None:
        """Set mask (m, k) to 1 where a unit stays, else 0."""
        raise NotImplementedError

    def select_sparse(
        self, ops: Operations, config: Settings, code: Array, indices: Array, values: Array
    ) -> None:
        """Write the units that stay, ascending, and their activations (m, k)."""
        raise NotImplementedError

    def add(
        self,
        ops: Operations,
        code: Array,
        unit_sums: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Add what is needed of a code (m, k) to sums of units (k,) or to a total (1,), float64.

        With `row_weights` (m, 1) the sums of units are (k + 1,), the last of them that of weights.
        """

    def slope(
        self,
        ops: Operations,
        config: Settings,
        unit_sums: Array,
        rows: int,
        activation: str,
        out: Array,
        total: Array,
    ) -> None:
        """Write ∂J/∂(a unit) (k,) from the sums over all rows of a step; add m·penalty to total.

        Of a row with a weight it is that many times as much.
        """
        raise NotImplementedError

    def absolute_weight(self, config: Settings, rows: int) -> float:
        """Return c of c·sign(a), which goes back from each unit beside what the loss sends.

        Of a row with a weight it is that many times as much.
        """
        return 0.0

    def penalty(self, config: Settings, total: float, reduced: float) -> float:
        """Return Σ_rows penalty from the totals of `add` and of `slope`."""
        return 0.0


class KullbackLeibler(CodeRule):
    """β·Σ KL(ρ‖ρ̂) of each unit's mean activation ρ̂ over the step."""

    def add(
        self,
        ops: Operations,
        code: Array,
        unit_sums: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Add each unit's activations, and the weights."""
        if row_weights is None:
            ops.add_column_sums(code, unit_sums)
            return
        units = code.shape[1]
        ops.add_column_sums(code, unit_sums[:units], row_weights)
        ops.add_column_sums(row_weights, unit_sums[units:])

    def slope(
        self,
        ops: Operations,
        config: Settings,
        unit_sums: Array,
        rows: int,
        activation: str,
        out: Array,
        total: Array,
    ) -> None:
        """Write β(−ρ/ρ̂ + (1−ρ)/(1−ρ̂)) over the sum of the weights, or m without any."""
        own = [config.of_layer(name, -1) for name in ("rho", "beta")]
        units, weighted = len(out), len(unit_sums) > len(out)
        sums, weight_sum = (unit_sums[:units], unit_sums[units:]) if weighted else (unit_sums, None)
        ops.kl_slope(sums, rows, *own, activation, out, total, weight_sum)

    def penalty(self, config: Settings, total: float, reduced: float) -> float:
        """Return what the steps have added."""
        return reduced


class AbsoluteValue(CodeRule):
    """λ₁·Σ|a| of each row."""

    def add(
        self,
        ops: Operations,
        code: Array,
        unit_sums: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Add Σ|a|."""
        ops.add_absolute_sum(code, total, row_weights)

    def absolute_weight(self, config: Settings, rows: int) -> float:
        """Return λ₁/m."""
        return float(config.of_layer("l1", -1)) / rows

    def penalty(self, config: Settings, total: float, reduced: float) -> float:
        """Weigh the sum."""
        return float(config.of_layer("l1", -1)) * total


class LargestUnits(CodeRule):
    """The k largest units of a row stay."""

    def select(self, ops: Operations, config: Settings, code: Array, mask: Array) -> None:
        """Mark them."""
        ops.topk_mask(code, config.of_layer("k", -1), mask)

    def select_sparse(
        self, ops: Operations, config: Settings, code: Array, indices: Array, values: Array
    ) -> None:
        """Write them."""
        ops.topk(code, config.of_layer("k", -1), indices, values)


CODE_RULES: dict[str, CodeRule] = {
    rule.name: rule
    for rule in (
        CodeRule("none", "nothing"),
        KullbackLeibler(
            "kl",
            "a unit is active as often as rho says, by β·Σ KL(ρ‖ρ̂)",
            settings=("rho", "beta"),
            weight=("beta", 3.0),
            weaker="lower beta",
            bounded=True,
            reduces=True,
        ),
        AbsoluteValue(
            "l1",
            "a row has few active units, by λ₁·Σ|a|",
            settings=("l1",),
            weight=("l1", 0.1),
            weaker="lower l1",
        ),
        LargestUnits(
            "topk",
            "the k largest units of a row stay",
            settings=("k",),
            weaker="larger k",
            selects=True,
        ),
    )
}
"""All rules by name."""
