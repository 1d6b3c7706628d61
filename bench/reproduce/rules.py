"""When a figure counts as reproduced: one rule for each kind of figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

ACCURACY_LESS = 0.003
LOSS_SHARE = 0.02
ABOUT_SHARE = 0.1


@dataclass(frozen=True)
class Rule:
    """How a figure is compared with what was published, or with a bound that a row states.

    Attributes
    ----------
    passes
        Of our figure and the other.
    words
        What it asks of our figure, with a place for the other.
    """

    passes: Callable[[float, float], bool]
    words: str

    def asked(self, other: float) -> str:
        """Say what is asked of our figure."""
        return self.words.format(other)


def _within(share: float) -> Callable[[float, float], bool]:
    return lambda own, other: abs(own - other) <= share * abs(other)


RULES = {
    "accuracy": Rule(lambda own, other: own >= other - ACCURACY_LESS, "at least {:.4g} less 0.003"),
    "loss": Rule(_within(LOSS_SHARE), "{:.4g} ± 2 %"),
    "about": Rule(_within(ABOUT_SHARE), "{:.4g} ± 10 %"),
    "at least": Rule(lambda own, other: own >= other, "at least {:.4g}"),
    "at most": Rule(lambda own, other: own <= other, "at most {:.4g}"),
    "below": Rule(lambda own, other: own < other, "below {:.4g}"),
}


def reproduces(rule: str, own: float, other: float) -> bool:
    """Return whether our figure is as a rule asks; what is no finite number never is."""
    return math.isfinite(own) and RULES[rule].passes(own, other)
