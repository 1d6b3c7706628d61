"""The runs of a sweep: one for each combination of a grid, or as many as are drawn."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuae.backends.philox import Purpose, uniforms, words
from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.sweeps.axes import MOST_VALUES, Axis, Choice, Range
from gpuae.words import counted

TRIES = 100
"""Draws for each run that is wanted, since the same may be drawn again."""
SWEEP_LAYER = 1
"""Tells the words that settings are drawn by from those that rows are sampled by."""
NAME_LENGTH = 120
"""Of a folder's name, in characters; file systems take 255 bytes."""

Settings = Mapping[str, str]
Configure = Callable[[Settings], Config]
"""Makes a configuration of what is varied and of all that is not."""


@dataclass(frozen=True)
class Run:
    """One combination of settings.

    Attributes
    ----------
    settings
        Those that are varied, each as text.
    config
        All of them; None where they contradict each other.
    problem
        How they do, in a sentence.
    """

    settings: Settings
    config: Config | None
    problem: str = ""

    @classmethod
    def of(cls, settings: Settings, configure: Configure) -> Run:
        """Put the settings together with all others."""
        try:
            config = configure(settings)
        except ConfigError as error:
            return cls({name: shown(own) for name, own in settings.items()}, None, str(error))
        stored = config.stored()
        return cls({name: shown(stored.get(name, own)) for name, own in settings.items()}, config)

    @property
    def name(self) -> str:
        """What its folder is called: its settings, cut where they are very long."""
        text = "_".join(f"{name}={value}" for name, value in self.settings.items())
        if len(text) <= NAME_LENGTH:
            return text
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return f"{text[: NAME_LENGTH - len(digest) - 1]}_{digest}"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings.items())


def shown(value: Any) -> str:
    """Return a value as it is printed: 0.5 and 0.50 are the same, widths are joined."""
    if isinstance(value, list | tuple):
        return "-".join(map(shown, value))
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def grid(axes: Sequence[Axis], configure: Configure) -> tuple[Run, ...]:
    """Return a run for each combination of the values; the last setting changes first.

    Raises
    ------
    ConfigError
        Where there are ranges, or too many combinations.
    """
    for axis in axes:
        if isinstance(axis, Range):
            raise ConfigError(
                f"{axis.name}: a range is drawn from; say how often by --random N, or give values "
                "with commas between them"
            )
    choices = [axis for axis in axes if isinstance(axis, Choice)]
    _check_count(math.prod(len(axis.values) for axis in choices))
    names = [axis.name for axis in choices]
    combinations = itertools.product(*(axis.values for axis in choices))
    return _distinct(
        Run.of(dict(zip(names, values, strict=True)), configure) for values in combinations
    )


def draw(axes: Sequence[Axis], count: int, seed: int, configure: Configure) -> tuple[Run, ...]:
    """Return so many different runs drawn at random, or fewer where there are no more.

    The first ones are the same however many are drawn.
    """
    _check_count(count)
    tries = itertools.islice(_drawn(axes, seed, configure), TRIES * count)
    return _distinct(tries, count)


def _drawn(axes: Sequence[Axis], seed: int, configure: Configure) -> Iterator[Run]:
    for number in itertools.count():
        row = np.array([number])
        drawn = words(seed, Purpose.SAMPLE, row, len(axes), layer=SWEEP_LAYER)
        shares = uniforms(drawn)[0].tolist()
        settings = {axis.name: axis.at(share) for axis, share in zip(axes, shares, strict=True)}
        yield Run.of(settings, configure)


def _distinct(runs: Iterator[Run], most: int | None = None) -> tuple[Run, ...]:
    """Return the first `most` runs that differ in their settings."""
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(run.name, run)
        if len(found) == most:
            break
    return tuple(found.values())


def _check_count(count: int) -> None:
    if count > MOST_VALUES:
        raise ConfigError(
            f"a sweep of {counted(count, 'run')} is more than the {MOST_VALUES:,} that a folder "
            "can be looked through for; give fewer values"
        )
