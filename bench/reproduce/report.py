"""What came of the rows: lines for the screen, and a table."""

from __future__ import annotations

from collections.abc import Iterator

from bench.panel_report import table
from bench.reproduce.rules import RULES
from bench.reproduce.work import Outcome

TITLES = ["row", "figure", "published", "asked for", "gpuae", "", "seconds"]


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield what to print of a row."""
    took = sum(outcome.seconds.values())
    yield f"{outcome.row.name}: {verdict(outcome.passed)} in {took:.1f} s, {outcome.row.title}"
    if outcome.failure:
        yield f"  {outcome.failure}"
    for name, figure in outcome.row.figures.items():
        yield (
            f"  {name}: {_number(outcome.figures.get(name))}, "
            f"published {_number(figure.published)}, "
            f"{RULES[figure.rule].asked(figure.other)}: {verdict(outcome.passes(name))}"
        )


def markdown(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield a table of all figures, and the conventions that they depend on."""
    yield from table([TITLES, *(cells for outcome in outcomes for cells in _cells(outcome))])
    yield ""
    for outcome in outcomes:
        row = outcome.row
        failure = f" **{outcome.failure}**" if outcome.failure else ""
        yield f"- *{row.name}*: {row.title}. {row.source}. {row.conventions}{failure}"


def _cells(outcome: Outcome) -> Iterator[list[str]]:
    for name, figure in outcome.row.figures.items():
        yield [
            outcome.row.name,
            name,
            _number(figure.published),
            RULES[figure.rule].asked(figure.other),
            _number(outcome.figures.get(name)),
            verdict(outcome.passes(name)),
            f"{sum(outcome.seconds.values()):.0f}",
        ]


def verdict(passed: bool) -> str:
    """Word whether something is as it should be."""
    return "pass" if passed else "FAIL"


def _number(own: float | None) -> str:
    return "–" if own is None else f"{own:.4g}"
