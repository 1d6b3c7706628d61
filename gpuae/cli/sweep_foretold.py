"""gpuae sweep --dry-run: the runs that would be made, and about what they would take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpuae.cli.base import say, tell
from gpuae.cli.foretold import amount
from gpuae.durations import worded

if TYPE_CHECKING:
    from gpuae.foretelling import Foretold
    from gpuae.sweeps.plan import Crew
    from gpuae.sweeps.runs import Run

MOST_MEASURED = 8
"""Runs, evenly spaced, that are measured; the others take as long as these on average."""


def tell_runs(x: Any, runs: Sequence[Run], crew: Crew, options: dict[str, Any]) -> None:
    """Print each run that would be made with what it would take, where that was measured."""
    step = -(-len(runs) // MOST_MEASURED) if runs else 1
    found = []
    for number, run in enumerate(runs):
        own = _foretold(x, run, crew, options) if number % step == 0 else None
        tell(str(run) if own is None else f"{run}: about {_words(own)}")
        found += [] if own is None else [own]
    if not found:
        tell("nothing is left to do")
        return
    together = sum(own.seconds for own in found) / len(found) * len(runs) / crew.at_once
    seconds = max(together, *(own.seconds for own in found))
    output = sum(own.output for own in found) / len(found) * len(runs)
    memory = max(own.memory for own in found) * crew.at_once
    tell(
        f"{len(runs)} runs would take about {worded(seconds)}, at most {amount(memory)} of memory, "
        f"and {amount(round(output))} of disk; nothing was written"
    )


def _foretold(x: Any, run: Run, crew: Crew, options: dict[str, Any]) -> Foretold:
    from gpuae.foretelling import foretell_fit

    if run.config is None:
        raise RuntimeError(f"{run} has no settings to train with")
    config = run.config
    if crew.threads is not None:
        config = config.model_copy(update={"threads": crew.threads})
    return foretell_fit(x, config, _note, time.perf_counter(), **options)


def _note(message: str) -> None:
    say(f"note: {message}")


def _words(own: Foretold) -> str:
    most = "at most " if own.may_stop_early else ""
    return f"{worded(own.seconds)}, {most}{own.epochs:,} epochs"
