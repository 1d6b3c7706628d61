"""The results of a sweep in a terminal, as wide as that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gpuae.words import counted, percent

if TYPE_CHECKING:
    from gpuae.sweeps.results import Result, Table

SHOWN, FAILURES_SHOWN = 20, 5
"""Results, and runs that failed, that are printed; the files have all."""
GAP = 2


def lines(table: Table, width: int) -> Iterator[str]:
    """Yield the best results, one a line, with as many columns as fit; then what failed."""
    good = [result for result in table.results if result.is_good]
    if good:
        yield from _columns(_cells(table, good[:SHOWN]), len(table.varied), width)
    if len(good) > SHOWN:
        yield f"… and {len(good) - SHOWN:,} more"
    failed = [result for result in table.results if not result.is_good]
    for result in failed[:FAILURES_SHOWN]:
        yield f"{settings_of(result)}: {result.ending}{_because(result)}"
    if len(failed) > FAILURES_SHOWN:
        yield f"… and {counted(len(failed) - FAILURES_SHOWN, 'further run')} without a figure"


def settings_of(result: Result) -> str:
    """Word the settings that are varied."""
    return " ".join(f"{name}={value}" for name, value in result.settings.items())


def told(result: Result, table: Table) -> str:
    """Word in a line how a run went."""
    if not result.is_good:
        return f"{settings_of(result)}: {result.ending}{_because(result)}"
    pca = table.explained_by_pca(result)
    beside = "" if math.isnan(pca) else f" (PCA {percent(pca)})"
    epochs = counted(result.epochs, "epoch")
    return (
        f"{settings_of(result)}: explains {percent(table.explained(result))}{beside}, "
        f"{epochs} in {result.seconds:.1f} s"
    )


def _because(result: Result) -> str:
    if result.reason:
        return f" ({result.reason})"
    return "" if result.measured_rows else " (too few rows are held out to measure it on)"


def _cells(table: Table, results: Sequence[Result]) -> list[list[str]]:
    """Return a head and a row for each result, the most important columns first."""
    head = [*table.varied, "explained", "PCA", "epochs", "seconds"]
    return [head, *(_row(table, result) for result in results)]


def _row(table: Table, result: Result) -> list[str]:
    pca = table.explained_by_pca(result)
    return [
        *(result.settings.get(name, "") for name in table.varied),
        percent(table.explained(result)),
        "" if math.isnan(pca) else percent(pca),
        str(result.epochs),
        f"{result.seconds:.1f}",
    ]


def _columns(cells: list[list[str]], varied: int, width: int) -> Iterator[str]:
    """Yield lines of as many columns as fit; settings that do not have a line of their own."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    shown = len(widths)
    while shown > varied + 1 and _total(widths[:shown]) > width:
        shown -= 1
    if _total(widths[:shown]) <= width:
        for row in cells:
            fields = zip(row[:shown], widths[:shown], strict=True)
            yield (" " * GAP).join(text.rjust(room) for text, room in fields)
        return
    for row in cells[1:]:
        named = zip(cells[0][:varied], row[:varied], strict=True)
        yield f"{row[varied]:>6}  {' '.join(f'{name}={value}' for name, value in named)}"


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
