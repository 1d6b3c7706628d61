"""Contenders in processes of their own take turns, so that a drifting machine is fair to all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gpuae.benchmark.cases import Case
from gpuae.benchmark.contenders import Job
from gpuae.benchmark.track import Contender, ContenderError, Figures, Track

FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Pace:
    """How long is measured.

    Attributes
    ----------
    rounds
        At most, but three at least.
    seconds
        No further round of a case starts after so many.
    round_seconds
        What a round should take: short jobs are done several times.
    """

    rounds: int = 7
    seconds: float = 40.0
    round_seconds: float = 0.25


@dataclass
class Measured:
    """The figures of a case, and a sentence for each contender that has none."""

    figures: dict[Contender, Figures]
    left_out: list[str]


def measure(case: Case, contenders: Sequence[Contender], pace: Pace) -> Measured:
    """Time a case, all in turns.

    Raises
    ------
    ContenderError
        Where one fails that is needed.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        started = [stack.enter_context(_started(own, case, Path(folder))) for own in contenders]
        tracks, left_out = _warmed_up(started, pace)
        began = time.perf_counter()
        for count in range(max(FEWEST_ROUNDS, pace.rounds)):
            if count >= FEWEST_ROUNDS and time.perf_counter() - began > pace.seconds:
                break
            for track in tracks:
                track.round()
        common = min((len(track.losses) for track in tracks if track.losses), default=0)
        figures = {track.contender: track.figures(common) for track in tracks}
        return Measured(figures, left_out)


def _warmed_up(tracks: list[Track], pace: Pace) -> tuple[list[Track], list[str]]:
    """Return those that work, and a sentence for each of the others."""
    working, left_out = [], []
    for track in tracks:
        try:
            track.warm_up(pace.round_seconds)
        except ContenderError as error:
            if track.contender.needed:
                raise
            left_out.append(str(error))
        else:
            working.append(track)
    return working, left_out


@contextmanager
def _started(contender: Contender, case: Case, folder: Path) -> Iterator[Track]:
    """Start a contender in a process without anybody's BLAS settings; it finds what we find."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    environment |= contender.environment
    job = json.dumps(Job(case, contender.mode, contender.device, contender.threads).to_json())
    command = [sys.executable, "-m", "gpuae.benchmark.serve", contender.module, job]
    log = folder / f"{contender.name}-{contender.device}.log".replace(":", "-")
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            env=environment,
            cwd=folder,
        ) as process,
    ):
        try:
            yield Track(contender, process, log)
        finally:
            process.kill()
