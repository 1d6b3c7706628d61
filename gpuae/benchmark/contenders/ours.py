"""gpuae itself: `fit`, as the command line calls it, held up between rounds of epochs."""

from __future__ import annotations

import threading
import time
from queue import Queue

from gpuae.benchmark.contenders import Job, Run
from gpuae.config import Config
from gpuae.training.fitting import fit
from gpuae.training.history import EpochRecord, Silence

ENDLESS = 10**9


def prepare(job: Job) -> Run:
    """Start a fit that waits for the first round."""
    observer, x = _StepByStep(), job.case.data()
    config = job.config.model_copy(update={"epochs": ENDLESS})

    def train() -> None:
        try:
            fit(x, config, observer=observer)
        except Exception as error:
            observer.done.put(error)

    threading.Thread(target=train, daemon=True).start()

    def run(count: int) -> tuple[float, list[float]]:
        began = time.perf_counter()
        observer.go.put(count)
        losses = observer.done.get()
        if isinstance(losses, Exception):
            raise losses
        return (time.perf_counter() - began) / count, losses

    return run


class _StepByStep(Silence):
    """Lets a fit go on for one round of epochs at a time."""

    def __init__(self) -> None:
        self.go: Queue[int] = Queue()
        self.done: Queue[list[float] | Exception] = Queue()
        self._left = 0
        self._losses: list[float] = []

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        self._left = self.go.get()

    def epoch_done(self, record: EpochRecord) -> None:
        self._losses.append(record.loss)
        self._left -= 1
        if not self._left:
            losses, self._losses = self._losses, []
            self.done.put(losses)
            self._left = self.go.get()
