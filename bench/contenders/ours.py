"""gpuae itself, by the same functions that the command line calls."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import h5py
import numpy as np

from bench.cases import Case
from gpuae.backends import get_ops, resolve_device
from gpuae.cli import root
from gpuae.model.init import initial_parameters
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.fitting import fit, new_team
from gpuae.training.fitting import prepare as prepare_fit
from gpuae.training.history import EpochRecord, Silence
from gpuae.training.lbfgs import LBFGS

EVALUATIONS = 20


def prepare(case: Case, _: str) -> Callable[[], tuple[float, float | None]]:
    """Start what the kind of case needs."""
    return {"epochs": _epochs, "full_batch": _full_batch, "encode": _encode}[case.kind](case)


class _StepByStep(Silence):
    """Lets a fit go on for one round of epochs at a time."""

    def __init__(self, repeats: int) -> None:
        self.repeats, self.epochs = repeats, 0
        self.go: Queue[None] = Queue()
        self.done: Queue[EpochRecord] = Queue()

    def training_starts(self, *_: object) -> None:
        self.go.get()

    def epoch_done(self, record: EpochRecord) -> None:
        self.epochs += 1
        if self.epochs % self.repeats == 0:
            self.done.put(record)
            self.go.get()


def _epochs(case: Case) -> Callable[[], tuple[float, float]]:
    observer, x = _StepByStep(case.repeats), case.data()
    config = case.config().model_copy(update={"epochs": 10**9})
    threading.Thread(
        target=fit, args=(x, config), kwargs={"observer": observer}, daemon=True
    ).start()

    def run() -> tuple[float, float]:
        began = time.perf_counter()
        observer.go.put(None)
        record = observer.done.get()
        return (time.perf_counter() - began) / case.repeats, record.loss

    return run


def _full_batch(case: Case) -> Callable[[], tuple[float, float]]:
    x, order = case.data(), np.arange(case.rows)
    prepared = prepare_fit(x, order, case.config(), column_statistics(x, order))
    ops, network = get_ops(resolve_device("cpu")), case.network()
    start = initial_parameters(network, prepared.config).astype(np.float32)
    parameters = start.copy()
    team = new_team(ops, network, prepared, x, parameters, case.rows)
    team.__enter__()
    count = 0

    def evaluate() -> float:
        nonlocal count
        count += 1
        return objective(team.full_gradient(order), prepared.config)

    def run() -> tuple[float, float]:
        nonlocal count
        parameters[:] = start
        began, count = time.perf_counter(), 0
        minimiser = LBFGS(ops, parameters, team.gradient, evaluate)
        first = minimiser.start()
        while count < EVALUATIONS and not minimiser.converged:
            minimiser.iterate()
        return (time.perf_counter() - began) / count, first

    return run


def _encode(case: Case) -> Callable[[], tuple[float, None]]:
    folder = Path.cwd()
    data, model, codes = folder / "rows.h5", folder / "model.h5", folder / "codes.h5"
    with h5py.File(data, "w") as file:
        file["/data/x"] = case.data()
    config = case.config().model_copy(update={"epochs": 0})
    fit(case.data(), config).model.save(model)
    os.fsync = lambda _: None  # the disk is not what is timed
    command = ["encode", str(model), f"{data}::/data/x", "-o", str(codes)]

    def run() -> tuple[float, None]:
        codes.unlink(missing_ok=True)
        began = time.perf_counter()
        root.main(command, standalone_mode=False)
        return time.perf_counter() - began, None

    return run
