"""gpuae itself: `fit` or `finetune`, as the command line calls it, held up between rounds."""

from __future__ import annotations

import threading
import time
from queue import Queue

from gpuae.benchmark.contenders import Job, Run
from gpuae.config import Config
from gpuae.finetune_config import SHARED, FinetuneConfig
from gpuae.model.model import Model
from gpuae.training.classifying import finetune
from gpuae.training.fitting import fit
from gpuae.training.history import EpochRecord, Observer, Silence

ENDLESS = 10**9


def prepare(job: Job) -> Run:
    """Start a training that waits for the first round."""
    observer = _StepByStep()

    def endless() -> None:
        try:
            train(job, ENDLESS, observer)
        except Exception as error:
            observer.done.put(error)

    threading.Thread(target=endless, daemon=True).start()

    def run(count: int) -> tuple[float, list[float]]:
        began = time.perf_counter()
        observer.go.put(count)
        losses = observer.done.get()
        if isinstance(losses, Exception):
            raise losses
        return (time.perf_counter() - began) / count, losses

    return run


def train(job: Job, epochs: int, observer: Observer) -> Model:
    """Train for so many epochs, a classifier all of its layers from the first."""
    x, config, long = job.case.data(), job.config, {"epochs": epochs}
    if not job.case.classes:
        return fit(x, config.model_copy(update=long), observer=observer).model
    start = fit(x, config.model_copy(update={"epochs": 0})).model
    settings = {name: getattr(config, name) for name in SHARED}
    own = FinetuneConfig.parse({**settings, "head_epochs": 0}).model_copy(update=long)
    return finetune(start, x, job.case.labels(x), own, observer=observer).model


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
