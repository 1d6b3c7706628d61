"""What the code units do: how large activations are, and how often each unit is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import encode, into
from gpuae.evaluation import ACTIVE
from gpuae.functions.activations import ACTIVATIONS
from gpuae.machine import ANY, Machine
from gpuae.model.model import Model
from gpuae.pictures.bins import edges
from gpuae.pictures.picture import (
    Axes,
    Bars,
    Histogram,
    Level,
    Lines,
    Panel,
    Picture,
    Series,
    Vector,
)
from gpuae.pictures.sample import Sample
from gpuae.words import counted, percent

MOST_ROWS = 5000
LOG_FROM = 100.0
"""A highest bar so many times the middle one asks for a logarithmic scale."""
NAMED_UNITS = 24
"""So many units have a bar each; more are a curve in the order of their values."""


def codes(
    model: Model,
    sample: Sample,
    *,
    machine: Machine = ANY,
) -> Picture:
    """Show the activations of the code units in some rows, and how active each unit is.

    Raises
    ------
    InputError
        Where the rows do not fit the model.
    """
    code = codes_of(model, sample, machine=machine)
    facts = _Facts.of(model, code)
    panels = (*_activations(facts, code), _units(model, facts))
    return Picture(
        "What the code units do",
        panels,
        facts.sentence(len(code)),
        (*sample.notes, *facts.notes()),
    )


def codes_of(
    model: Model,
    sample: Sample,
    *,
    machine: Machine = ANY,
) -> NDArray[np.float64]:
    """Return the code of each row of a sample, (m, k)."""
    code = np.empty((len(sample.x), model.network.code_size))
    encode(model, sample.x, into(code), machine=machine)
    return code


@dataclass(frozen=True)
class _Facts:
    """Figures of a code (m, k), as `evaluate` defines them; vectors are (k,)."""

    zero: NDArray[np.bool_]
    """Which activations are 0, (m, k)."""
    active: Vector
    """The share of the rows in which a unit is active."""
    active_per_row: float
    spread: Vector
    """Standard deviation of a unit over the rows."""
    rho: float | None
    """The mean activation that training asked of each unit; None: of none."""
    rho_hat: Vector
    """The mean of each unit, or of tanh of (a + 1)/2."""

    @classmethod
    def of(cls, model: Model, code: NDArray[np.float64]) -> _Facts:
        size = np.abs(code)
        signed = ACTIVATIONS[model.config.resolved("code_activation")].signed
        mean = code.mean(axis=0)
        return cls(
            zero=size < np.finfo(model.config.dtype).tiny,
            active=(size > ACTIVE).mean(axis=0),
            active_per_row=float((size > ACTIVE).sum(axis=1).mean()),
            spread=code.std(axis=0),
            rho=_rho(model),
            rho_hat=(mean + 1) / 2 if signed else mean,
        )

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self.active)

    @property
    def zeros(self) -> int:
        """How many activations are 0."""
        return int(self.zero.sum())

    @property
    def always_active(self) -> bool:
        """Whether every unit is active in every row."""
        return bool(self.active.min() == 1)

    @property
    def dead(self) -> NDArray[np.int64]:
        """Numbers of the units that are active in no row."""
        return np.flatnonzero(self.active == 0)

    def sentence(self, rows: int) -> str:
        """Return the figures in words."""
        zeros = percent(self.zeros / self.zero.size)
        text = (
            f"{counted(self.units, 'code unit')} in {counted(rows, 'row')}: {zeros} of all "
            f"activations are exactly 0, units active a row {self.active_per_row:.1f}, dead units "
            f"{len(self.dead):,}."
        )
        return f"{text} {self._usual()}"

    def _usual(self) -> str:
        """Return what units are like, from one end to the other."""
        if self.rho is not None:
            low, middle, high = np.quantile(self.rho_hat, [0, 0.5, 1])
            return (
                f"Training asked for a mean activation of {self.rho:g}; units have {low:.4g} to "
                f"{high:.4g}, the middle one {middle:.4g}."
            )
        if self.always_active:
            low, high = self.spread.min(), self.spread.max()
            return (
                f"All are active in all rows, with standard deviations of {low:.4g} to {high:.4g}."
            )
        shares = percent(self.active.min()), percent(self.active.max())
        return f"The least used unit is active in {shares[0]} of the rows, the most in {shares[1]}."

    def notes(self) -> tuple[str, ...]:
        """Name the dead units."""
        if not len(self.dead):
            return ()
        some = ", ".join(str(unit) for unit in self.dead[:NAMED_UNITS])
        more = ", …" if len(self.dead) > NAMED_UNITS else ""
        count = "1 unit is" if len(self.dead) == 1 else f"{len(self.dead):,} units are"
        return (
            f"{count} dead, of a magnitude of at most {ACTIVE:g} in all these rows (counted from "
            f"0): {some}{more}",
        )


def _rho(model: Model) -> float | None:
    """Return what the penalty asks of a unit's mean; a classifier is trained without it."""
    if model.config.code_rule.name != "kl" or model.classification is not None:
        return None
    return float(model.config.of_layer("rho", -1))


def _activations(facts: _Facts, code: NDArray[np.float64]) -> tuple[Histogram, ...]:
    """Count activations but those that are 0, which would hide all others."""
    values = code[~facts.zero]
    if not len(values):
        return ()
    between = edges(float(values.min()), float(values.max()), len(values))
    counts = np.histogram(values, between)[0].astype(np.float64)
    title, share = "Activations", facts.zeros / facts.zero.size
    if facts.zeros:
        title += f" without {facts.zeros:,} exact zeros, {percent(share)} of all"
    steep = bool(counts.max() > LOG_FROM * max(1.0, np.median(counts)))
    axes = Axes("activation of a code unit", "how many", log_y=steep)
    return (Histogram(title, axes, between, counts[None]),)


def _units(model: Model, facts: _Facts) -> Panel:
    """Show what tells most of the units: ρ̂ beside ρ, how often each is active, or its spread."""
    if facts.rho is not None:
        levels = (Level(f"rho {facts.rho:g}, asked for", facts.rho),)
        of = " of (a + 1)/2" if ACTIVATIONS[model.config.resolved("code_activation")].signed else ""
        return _curve("Mean activation of each unit", f"mean{of} over rows", facts.rho_hat, levels)
    title, what, values = "How often each unit is active", "share of rows", facts.active
    if facts.always_active:
        title, what, values = "Spread of each unit", "standard deviation over rows", facts.spread
    if facts.units > NAMED_UNITS:
        return _curve(title, what, values)
    order = np.argsort(-values, kind="stable")
    names = tuple(f"unit {unit}" for unit in order)
    return Bars(title, Axes(what, "code unit"), names, values[order][None])


def _curve(title: str, what: str, values: Vector, levels: tuple[Level, ...] = ()) -> Lines:
    """Show values of units, the largest first."""
    rank = np.arange(1.0, len(values) + 1)
    kind: Literal["line", "points"] = "points" if len(values) <= NAMED_UNITS else "line"
    axes = Axes("code units, the highest first", what)
    return Lines(title, axes, (Series("", rank, np.sort(values)[::-1], kind),), levels)
