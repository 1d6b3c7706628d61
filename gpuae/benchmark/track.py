"""One contender: who it is, its process, and what was measured of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from gpuae.errors import GpuaeError

PAUSE_SECONDS = 0.15
"""Before each turn: threads of the one before may spin for a while before they go to sleep."""
MOST_OF_A_LOG = 2000


@dataclass(frozen=True)
class Contender:
    """Who is timed.

    Attributes
    ----------
    module
        With a function `prepare`, see `gpuae.benchmark.contenders`.
    package
        What has to be installed.
    needed
        Whether there are no figures without it.
    environment
        Variables of its process.
    """

    name: str
    module: str
    mode: str = ""
    device: str = "cpu"
    threads: int | None = None
    package: str = "numpy"
    needed: bool = False
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Figures:
    """What was measured: seconds of one job, and the loss after as many jobs as all have done."""

    median: float
    p20: float
    p80: float
    rounds: int
    loss: float | None


class ContenderError(GpuaeError):
    """A contender has failed.

    Attributes
    ----------
    log
        The end of what it wrote on standard error.
    """

    def __init__(self, contender: Contender, why: str, log: str) -> None:
        super().__init__(f"{contender.name} on {contender.device}: {why}")
        self.log = log


@dataclass
class Track:
    """One contender's process and what it has measured."""

    contender: Contender
    process: subprocess.Popen[str]
    log: Path
    jobs: int = 1
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def warm_up(self, round_seconds: float) -> None:
        """Run once to compile and once to see how many jobs make a round."""
        self._turn()
        self.jobs = max(1, math.ceil(round_seconds / self._turn()))

    def round(self) -> None:
        """Run a round that counts."""
        self.seconds.append(self._turn())

    def figures(self, common: int) -> Figures:
        """Return median, p20, p80, and the loss of the job of that number."""
        low, *_, high = quantiles(self.seconds, n=5, method="inclusive")
        loss = self.losses[common - 1] if self.losses else None
        return Figures(median(self.seconds), low, high, len(self.seconds), loss)

    def _turn(self) -> float:
        """Let it do its jobs; return the seconds of one."""
        time.sleep(PAUSE_SECONDS)
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):  # it has said why, or ended
            os.write(self.process.stdin.fileno(), b"%d\n" % self.jobs)
        line = self.process.stdout.readline()
        if not line:
            raise self._failure(f"its process ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise self._failure(answer["error"])
        self.losses += answer["losses"]
        return float(answer["seconds"])

    def _failure(self, why: str) -> ContenderError:
        log = self.log.read_text(encoding="utf-8", errors="replace")
        return ContenderError(self.contender, why, log[-MOST_OF_A_LOG:])
