"""What the models of a sweep explain of unseen rows, by the settings that were varied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np

from gpuae.pictures.picture import Axes, Bars, Lines, Panel, Picture, Points, Series, Vector
from gpuae.sweeps.results import Result, Table
from gpuae.words import counted, percent

EXPLAINED = "explained variance of unseen rows"
MOST_CURVES = 8
"""More combinations of other settings would be a tangle."""
MOST_BARS = 40
LOWEST = -1.0
"""A model that explains less than that is not drawn."""
DECADE = 10.0
"""Values so many times apart are shown on a logarithmic axis."""

Figure: TypeAlias = Callable[[Result], float]


def sweep(table: Table) -> Picture:
    """Show explained variance against a number, against two of them, or run by run."""
    good = [result for result in table.results if result.is_good]
    best = good[0]
    settings = " ".join(f"{name}={value}" for name, value in best.settings.items())
    share = percent(table.explained(best))
    return Picture(
        "Settings compared",
        (_panel(table, good),),
        f"{counted(len(good), 'run')}; the best, {settings}, explains {share} of the variance of "
        f"unseen rows.",
        tuple(_left_out(table, good)),
        across=1,
    )


def _panel(table: Table, good: Sequence[Result]) -> Panel:
    numeric = [name for name in table.varied if _are_numbers(good, name)]
    others = [name for name in table.varied if name not in numeric]
    if len(numeric) == 1 and len(_groups(good, others)) <= MOST_CURVES:
        return _curves(table, good, numeric[0], others)
    if len(numeric) == 2 and not others:
        return _two(table, good, numeric[0], numeric[1])
    return _bars(table, good)


def _are_numbers(results: Sequence[Result], name: str) -> bool:
    with suppress(ValueError):
        return bool(np.isfinite(_numbers(results, name)).all())
    return False


def _numbers(results: Sequence[Result], name: str) -> Vector:
    """Return the values of a setting, (n,)."""
    return np.array([float(result.settings[name]) for result in results])


def _groups(results: Sequence[Result], names: Sequence[str]) -> dict[str, list[Result]]:
    """Return results by the values of settings, in words."""
    found: dict[str, list[Result]] = {}
    for result in results:
        words = " ".join(f"{name}={result.settings[name]}" for name in names)
        found.setdefault(words, []).append(result)
    return dict(sorted(found.items()))


def _curves(table: Table, good: Sequence[Result], name: str, others: Sequence[str]) -> Panel:
    """Draw a curve over a number for each combination of the other settings, and PCA's."""
    series = []
    for words, group in _groups(good, others).items():
        series.append(_series(words or "autoencoder", name, group, table.explained))
    if not others:
        series.append(_series("PCA", name, good, table.explained_by_pca))
    x = _numbers(good, name)
    axes = Axes(name, EXPLAINED, log_x=_spans_decades(x))
    return Lines(f"By {name}", axes, tuple(own for own in series if np.isfinite(own.y).any()))


def _series(label: str, name: str, group: Sequence[Result], figure: Figure) -> Series:
    pairs = sorted((float(result.settings[name]), figure(result)) for result in group)
    x, y = np.array(pairs).T
    return Series(label, x, _drawable(y), "line" if len(x) > 1 else "points")


def _two(table: Table, good: Sequence[Result], across: str, up: str) -> Panel:
    """Colour points by what they explain, over two numbers."""
    x, y = _numbers(good, across), _numbers(good, up)
    axes = Axes(across, up, _spans_decades(x), _spans_decades(y))
    values = _drawable(np.array([table.explained(result) for result in good]))
    return Points(f"By {across} and {up}", axes, x, y, values=values, colour=EXPLAINED)


def _bars(table: Table, good: Sequence[Result]) -> Panel:
    """Draw the best runs one below the other."""
    shown = good[:MOST_BARS]
    names = tuple(" ".join(f"{k}={v}" for k, v in own.settings.items()) for own in shown)
    values = np.array([[table.explained(result) for result in shown]])
    return Bars("The best runs", Axes(EXPLAINED, ""), names, _drawable(values))


def _spans_decades(values: Vector) -> bool:
    low, high = float(values.min()), float(values.max())
    return low > 0 and high >= DECADE * low


def _drawable(shares: Vector) -> Vector:
    """Leave out what explains so little that the others would be one line."""
    return np.where(shares < LOWEST, np.nan, shares)


def _left_out(table: Table, good: Sequence[Result]) -> Iterator[str]:
    low = sum(table.explained(result) < LOWEST for result in good)
    if low:
        yield f"{counted(low, 'run')} left out, where less than {LOWEST:.0%} is explained"
    failed = len(table.results) - len(good)
    if failed:
        yield f"{counted(failed, 'run')} without a figure left out"
