"""What the panel's figures come to: lines for the screen, tables, and the verdict of each aim."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean, median
from typing import Any

from bench.panel_contenders import BOUND, FOREST, MLP, OURS, PYOD

EXPLAINED = "explained variance of held-out rows"
AUC_ALL = "ROC AUC, trained on all rows"
AUC_NORMAL = "ROC AUC, trained on half of the normal rows"
AREAS = (AUC_ALL, AUC_NORMAL)
MOST_BEHIND, AHEAD = 0.005, 0.01
"""How far below PCA a set may be, and how far above it half of them have to be."""
SLOWEST, SLOWEST_SMALL, SMALL = 10.0, 3.0, 1000
"""Seconds a fit may take, and seconds where it has fewer than so many rows."""
Result = dict[str, Any]
Results = dict[str, Result]


def value(result: Result, task: str, name: str) -> float | None:
    """Return the mean figure of a contender over the seeds, None where it has failed or is out."""
    turns = result["tasks"].get(task, {}).get(name, [])
    values = [turn["value"] for turn in turns]
    return mean(values) if values and None not in values else None


def seconds(result: Result, task: str, name: str) -> float | None:
    """Return the median of the seconds that a contender's fits took."""
    turns = result["tasks"].get(task, {}).get(name, [])
    known = [turn["seconds"] for turn in turns if turn["seconds"] is not None]
    return median(known) if known else None


def ahead(result: Result) -> float:
    """Return by how much gpuae explains more than PCA; minus infinity where it has failed."""
    own, bound = value(result, EXPLAINED, OURS), value(result, EXPLAINED, BOUND)
    if bound is None:
        raise ValueError("PCA has failed, and without it there is nothing to compare with")
    return -math.inf if own is None else own - bound


def lines(name: str, result: Result) -> Iterator[str]:
    """Yield what to print of a set: each contender's figure and the seconds of its fit."""
    yield (
        f"{name}: {result['rows']:,} × {result['columns']:,} {result['dtype']}, "
        f"code {result['code_size']}: {ahead(result):+.4f} of PCA"
    )
    for task, found in result["tasks"].items():
        yield f"  {task}"
        for contender, turns in found.items():
            own, took = value(result, task, contender), seconds(result, task, contender)
            figure = "failed" if own is None else f"{own:.4f}"
            time = "" if took is None else f"{took:8.2f} s"
            failures = {turn["failure"] for turn in turns if "failure" in turn}
            yield f"    {contender:18s} {figure:>8s} {time}  {'; '.join(sorted(failures))}".rstrip()


def verdict(results: Results) -> Iterator[str]:
    """Yield for each aim of the panel what came of it."""
    differences = {name: ahead(result) for name, result in results.items()}
    last = min(differences, key=differences.__getitem__)
    yield _aim(
        f"no set more than {MOST_BEHIND} below PCA: {last} {differences[last]:+.4f}",
        differences[last] >= -MOST_BEHIND,
    )
    leading = sum(difference >= AHEAD for difference in differences.values())
    yield _aim(
        f"half of the sets {AHEAD} above PCA: {leading} of {len(results)}",
        2 * leading >= len(results),
    )
    for task in AREAS:
        for rival in (BOUND, FOREST, PYOD):
            yield from _area_verdict(results, task, rival)
    yield from _time_verdict(results, f"every fit within {SLOWEST:g} s", SLOWEST, math.inf)
    what = f"a fit to fewer than {SMALL:,} rows within {SLOWEST_SMALL:g} s"
    yield from _time_verdict(results, what, SLOWEST_SMALL, SMALL)


def _aim(what: str, reached: bool) -> str:
    return f"{what}: {'reached' if reached else 'MISSED'}"


def _area_verdict(results: Results, task: str, rival: str) -> Iterator[str]:
    """Yield how gpuae's mean area compares, over the sets that the rival has a figure for."""
    pairs = [
        (value(result, task, OURS) or 0.0, other)
        for result in results.values()
        if (other := value(result, task, rival)) is not None
    ]
    if pairs:
        own, other = (mean(column) for column in zip(*pairs, strict=True))
        yield _aim(f"{task}: mean {own:.4f} above {rival} {other:.4f}", own > other)


def _time_verdict(results: Results, what: str, limit: float, below: float) -> Iterator[str]:
    """Yield how gpuae's slowest fit to fewer than `below` rows compares with a limit."""
    times = [
        (turn["seconds"], name)
        for name, result in results.items()
        for found in result["tasks"].values()
        for turn in found[OURS]
        if turn["seconds"] is not None and turn["rows"] < below
    ]
    if times:
        slowest, name = max(times)
        yield _aim(f"{what}: {slowest:.2f} s ({name})", slowest < limit)


def markdown(results: Results) -> Iterator[str]:
    """Yield the tables of a result and its verdict, for a document and for the screen."""
    yield from table(_explained_rows(results))
    for task in AREAS:
        rows = _area_rows(results, task)
        if len(rows) > 1:
            yield ""
            yield from table(rows)
    yield ""
    yield from (f"- {line}" for line in verdict(results))


def _explained_rows(results: Results) -> list[list[str]]:
    """Return titles, and of each set the explained variances and the seconds of gpuae's fit."""
    compressors = (OURS, BOUND, PYOD, MLP)
    rows = [["set", "rows × columns", "code", *compressors, "gpuae − PCA", "seconds"]]
    for name, result in results.items():
        size = f"{result['rows']:,} × {result['columns']:,}"
        figures = [_figure(value(result, EXPLAINED, other)) for other in compressors]
        took = seconds(result, EXPLAINED, OURS)
        time = "–" if took is None else f"{took:.2f}"
        rows.append([name, size, str(result["code_size"]), *figures, f"{ahead(result):+.4f}", time])
    return rows


def _area_rows(results: Results, task: str) -> list[list[str]]:
    """Return titles, and of each set with outliers the areas."""
    detectors = (OURS, BOUND, FOREST, PYOD)
    some = [(name, result) for name, result in results.items() if task in result["tasks"]]
    return [
        [task, *detectors],
        *([name, *(_figure(value(own, task, other)) for other in detectors)] for name, own in some),
    ]


def _figure(own: float | None) -> str:
    return "–" if own is None else f"{own:.4f}"


def table(rows: list[list[str]]) -> Iterator[str]:
    """Yield lines of Markdown, columns aligned: the first to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        first, *rest = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join([first, *rest])} |"
        if number == 0:
            left, *right = ("-" * width for width in widths)
            yield f"| {' | '.join([left, *(f'{dashes[1:]}:' for dashes in right)])} |"
