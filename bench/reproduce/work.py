"""Runs the steps of a row as processes of their own, and takes its figures from what they print."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.reproduce.rows import PLACE, Figure, Row
from bench.reproduce.rules import reproduces
from bench.run import ROOT

COMMANDS = {"gpuae": [sys.executable, "-m", "gpuae"], "python": [sys.executable]}


class StepError(Exception):
    """A step has failed, or has not printed what a figure is taken from."""


@dataclass
class Outcome:
    """What came of a row.

    Attributes
    ----------
    figures
        Ours by name, of those that came about.
    seconds
        Of each step that was run.
    failure
        What went wrong, in a sentence; empty where all steps ended well.
    """

    row: Row
    figures: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    def passes(self, name: str) -> bool:
        """Return whether a figure is as its rule asks."""
        figure = self.row.figures[name]
        own = self.figures.get(name, float("nan"))
        return reproduces(figure.rule, own, figure.other)

    @property
    def passed(self) -> bool:
        """Whether all steps and figures are as they should be."""
        return not self.failure and all(map(self.passes, self.row.figures))

    def stored(self) -> dict[str, Any]:
        """Return what to keep of it."""
        figures = {
            name: {
                "ours": self.figures.get(name),
                **figure.model_dump(by_alias=True, exclude_none=True),
                "passes": self.passes(name),
            }
            for name, figure in self.row.figures.items()
        }
        about = self.row.model_dump(include={"title", "source", "conventions", "quick", "steps"})
        return {**about, "figures": figures, "seconds": self.seconds, "failure": self.failure}


def run_row(row: Row, files: dict[str, str], folder: Path) -> Outcome:
    """Run a row's steps in a folder, one after the other, up to the first that fails.

    Parameters
    ----------
    files
        What the places in its commands stand for.
    """
    outcome = Outcome(row)
    try:
        for step, command in row.steps.items():
            started = time.perf_counter()
            try:
                printed = _run(step, words(command, files), folder)
            finally:
                outcome.seconds[step] = round(time.perf_counter() - started, 2)
            for name, figure in row.figures.items():
                if figure.step == step:
                    outcome.figures[name] = _taken(figure, printed)
    except StepError as error:
        outcome.failure = str(error)
    return outcome


def words(command: str, files: dict[str, str]) -> list[str]:
    """Return a step's command as a process is given it."""
    program, *rest = shlex.split(command)
    filled = (PLACE.sub(lambda match: files[match[1]], word) for word in rest)
    return [*COMMANDS[program], *filled]


def _run(step: str, command: list[str], folder: Path) -> str:
    """Return what a step prints; what it remarks goes to a file that is named after it."""
    log = folder / f"{step}.log"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("w", encoding="utf-8") as remarks:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=remarks,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        said = log.read_text(encoding="utf-8").strip().splitlines()
        last = said[-1] if said else "it said nothing"
        raise StepError(f"{step} has ended with {done.returncode}: {last}")
    return done.stdout


def _taken(figure: Figure, printed: str) -> float:
    try:
        own = json.loads(printed)[figure.key]
    except (ValueError, KeyError, TypeError):
        raise StepError(f"{figure.step} has printed no JSON with a {figure.key}") from None
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise StepError(f"{figure.step} has printed {own!r} for {figure.key}, which is no number")
    return float(own)
