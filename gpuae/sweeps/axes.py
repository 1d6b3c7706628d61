"""What is varied: the values of a setting that are tried one after the other, or drawn from.

A comma stands between values to try, `..` between the ends of a range to draw from. The widths of
one network are joined by hyphens, as they are printed everywhere (`128-32`), since a comma between
them would be one between values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gpuae.config import RUN_OPTIONS, Config
from gpuae.errors import ConfigError

MOST_VALUES = 10_000
"""Of a list, and of all runs together: a folder with more cannot be looked through."""
DECADE = 10.0
"""A range whose ends are so many times apart is drawn from on a logarithmic scale."""
DIGITS = 3
"""Of a number that is drawn: as many as a person will type again."""
_RANGE = re.compile(r"([^.]|\.(?!\.))+\.\.([^.]|\.(?!\.))+")
_WHOLE = re.compile(r"\d+")
NOT_VARIED = (*RUN_OPTIONS, "trim")
"""Settings that change nothing in a model, or which rows there are to compare models on."""


@dataclass(frozen=True)
class Choice:
    """Values of a setting, as text that a configuration understands."""

    name: str
    values: tuple[str, ...]

    def at(self, share: float) -> str:
        """Return the value at a share in (0, 1) of all, each of which has the same part."""
        return self.values[int(share * len(self.values))]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    name: str
    low: float
    high: float
    whole: bool
    """Whether both ends are whole numbers, and so all values are."""

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios, and not equal differences, are equally likely."""
        return self.low > 0 and self.high >= DECADE * self.low

    def at(self, share: float) -> str:
        """Return the value at a share in (0, 1) of the way from one end to the other."""
        low, high = self.low, self.high
        if self.whole:  # each end as likely as what lies between
            low, high = low - 0.5, high + 0.5
        if self.logarithmic:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        if self.whole:
            return str(min(max(round(value), round(self.low)), round(self.high)))
        return f"{min(max(float(f'{value:.{DIGITS}g}'), self.low), self.high):g}"


Axis: TypeAlias = Choice | Range


def split_settings(given: Mapping[str, str]) -> tuple[dict[str, str], tuple[Axis, ...]]:
    """Tell settings of one value from those that are varied, in the order that settings have.

    Names of folders and draws follow from it, and never from the order of a person's options.

    Raises
    ------
    ConfigError
        For a list or a range that cannot be tried.
    """
    fixed: dict[str, str] = {}
    axes: list[Axis] = []
    for name in sorted(given, key=list(Config.model_fields).index):
        text = given[name]
        if _RANGE.fullmatch(text):
            axes.append(_range(name, text))
        elif "," in text:
            axes.append(Choice(name, _values(name, text)))
        else:
            fixed[name] = _value(name, text)
    for axis in axes:
        _check_varied(axis.name)
    return fixed, tuple(axes)


def _values(name: str, text: str) -> tuple[str, ...]:
    """Return the different values of a list."""
    values = [_value(name, part.strip()) for part in text.split(",")]
    if not all(values):
        raise ConfigError(f"{name}: has an empty place in {text[:80]!r}; give values, such as a,b")
    if len(values) > MOST_VALUES:
        raise ConfigError(f"{name}: has more than {MOST_VALUES:,} values; give fewer")
    return tuple(dict.fromkeys(values))


def _value(name: str, text: str) -> str:
    """Return one value as a configuration has it: widths with commas between them."""
    return text.strip().replace("-", ",") if name == "hidden" else text


def _range(name: str, text: str) -> Range:
    ends = [own.strip() for own in text.split("..")]
    try:
        low, high = map(float, ends)
    except ValueError:
        raise ConfigError(
            f"{name}: a range has two numbers, such as 0.001..0.1, not {text[:80]!r}"
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{name}: a range goes from a number to a higher one, not {text[:80]!r}")
    return Range(name, low, high, all(_WHOLE.fullmatch(own) for own in ends))


def _check_varied(name: str) -> None:
    if name in NOT_VARIED:
        raise ConfigError(f"{name}: cannot be varied; give one value")
