"""gpuae itself: `lbfgs` does evaluations of the objective, `encode` one file after the other."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np

from gpuae.backends import get_ops, resolve_device
from gpuae.benchmark.contenders import Job, Run
from gpuae.cli import root
from gpuae.model.init import initial_parameters
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.fitting import fit
from gpuae.training.lbfgs import LBFGS
from gpuae.training.preparation import new_team
from gpuae.training.preparation import prepare as prepare_fit

EVALUATIONS = 20


def prepare(job: Job) -> Run:
    """Start what the mode needs."""
    return {"lbfgs": _full_batch, "encode": _encode}[job.mode](job)


def _full_batch(job: Job) -> Run:
    """Return a run of some evaluations; its seconds are those of one."""
    case = job.case
    x, order = case.data(), np.arange(case.rows)
    prepared = prepare_fit(x, order, job.config, column_statistics(x, order))
    ops, network = get_ops(resolve_device("cpu")), case.network()
    start = initial_parameters(network, prepared.config).astype(np.float32)
    parameters = start.copy()
    team = new_team(ops, network, prepared, x, parameters, case.rows)
    team.__enter__()
    evaluations = 0

    def evaluate() -> float:
        nonlocal evaluations
        evaluations += 1
        return objective(team.full_gradient(order), prepared.config)

    def minimise() -> float:
        parameters[:] = start
        minimiser = LBFGS(ops, parameters, team.gradient, evaluate)
        before, first = evaluations, minimiser.start()
        while evaluations - before < EVALUATIONS and not minimiser.converged:
            minimiser.iterate()
        return first

    def run(count: int) -> tuple[float, list[float]]:
        began, before = time.perf_counter(), evaluations
        losses = [minimise() for _ in range(count)]
        return (time.perf_counter() - began) / (evaluations - before), losses

    return run


def _encode(job: Job) -> Run:
    folder = Path.cwd()
    data, model, codes = folder / "rows.h5", folder / "model.h5", folder / "codes.h5"
    with h5py.File(data, "w") as file:
        file["/data/x"] = job.case.data()
    config = job.config.model_copy(update={"epochs": 0})
    fit(job.case.data(), config).model.save(model)
    os.fsync = lambda _: None  # the disk is not what is timed
    command = ["encode", str(model), f"{data}::/data/x", "-o", str(codes)]

    def run(count: int) -> tuple[float, list[float]]:
        seconds = 0.0
        for _ in range(count):
            codes.unlink(missing_ok=True)
            began = time.perf_counter()
            root.main(command, standalone_mode=False)
            seconds += time.perf_counter() - began
        return seconds / count, []

    return run
