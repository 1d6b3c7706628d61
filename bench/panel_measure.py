"""What is measured on a set of the panel: every contender fitted for every task and seed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bench.panel_contenders import PEERS, Job, Rebuild, Rows, Score, Units, compressors, detectors
from bench.panel_data import PanelSet
from bench.panel_report import AUC_ALL, AUC_NORMAL, EXPLAINED, Result

HELD_OUT = 5
"""One row of so many is held out."""


@dataclass(frozen=True)
class Task:
    """Rows to fit to, and how who was fitted is judged: by one figure, more is better."""

    name: str
    contenders: dict[str, Callable[[Rows, Job], Any]]
    rows: Rows
    judge: Callable[[Any], float]


def measured(data: PanelSet, seeds: int, *, with_peers: bool) -> Result:
    """Return what a set is, and by task and contender what came of each seed."""
    tasks: dict[str, dict[str, list[Result]]] = {}
    for seed in range(seeds):
        for task in _tasks(data, seed, with_peers=with_peers):
            job = Job(data.code_size, seed, data.pixels, only_normal=task.name == AUC_NORMAL)
            found = tasks.setdefault(task.name, {})
            for name, fit in task.contenders.items():
                found.setdefault(name, []).append(_turn(fit, task, job))
    return {
        "rows": len(data.x),
        "columns": data.x.shape[1],
        "dtype": str(data.x.dtype),
        "code_size": data.code_size,
        "pixels": data.pixels,
        "sha256": fingerprint(data),
        "seeds": seeds,
        "tasks": tasks,
    }


def fingerprint(data: PanelSet) -> str:
    """Return the SHA-256 of a set's rows."""
    return hashlib.sha256(data.x.tobytes()).hexdigest()


def with_peers_of(result: Result, earlier: Result) -> Result:
    """Return a result with the peers' figures of an earlier one, of the same rows and seeds.

    The earlier one may have more seeds.
    """
    tasks = {}
    for task, found in result["tasks"].items():
        before = earlier["tasks"].get(task, {})
        peers = {name: before[name][: result["seeds"]] for name in PEERS if name in before}
        tasks[task] = found | peers
    return result | {"tasks": tasks, "peers": "from an earlier result"}


def explained_variance(known: Rows, new: Rows, rebuilt: Rows, *, pixels: bool = False) -> float:
    """Return 1 − Σ(x̂ − x)² / Σ(x − mean)² of new rows (m, d).

    Mean and units are those of the known rows (n, d), whose constant columns do not count.
    """
    units = Units.of(known, pixels=pixels)
    x = units.to(new)
    return float(1 - ((units.to(rebuilt) - x) ** 2).sum() / (x**2).sum())


def warm_up(*, with_peers: bool) -> None:
    """Fit everybody once to a few rows, so that imports and compiling are in nobody's figures."""
    rows = np.random.default_rng(0).standard_normal((64, 8))
    everybody = (compressors(with_peers=with_peers), detectors(with_peers=with_peers))
    for fit in (fit for some in everybody for fit in some.values()):
        fit(rows, Job(code_size=2, seed=0))(rows)


def _tasks(data: PanelSet, seed: int, *, with_peers: bool) -> Iterator[Task]:
    """Yield the tasks of a set, whose rows a seed has put into an order."""
    order = np.random.default_rng(seed).permutation(len(data.x))
    x = data.x[order]
    new, known = np.split(x, [len(x) // HELD_OUT])

    def explained(rebuild: Rebuild) -> float:
        return explained_variance(known, new, rebuild(new), pixels=data.pixels)

    yield Task(EXPLAINED, compressors(with_peers=with_peers), known, explained)
    if data.y is None:
        return
    everybody, labels = detectors(with_peers=with_peers), data.y[order]
    yield Task(AUC_ALL, everybody, x, _area(x, labels))
    normal = np.flatnonzero(labels == 0)
    taught = normal[: len(normal) // 2]
    rest = np.setdiff1d(np.arange(len(x)), taught)
    yield Task(AUC_NORMAL, everybody, x[taught], _area(x[rest], labels[rest]))


def _area(rows: Rows, labels: NDArray[np.int64]) -> Callable[[Score], float]:
    return lambda score: float(roc_auc_score(labels, score(rows)))


def _turn(fit: Callable[[Rows, Job], Any], task: Task, job: Job) -> Result:
    """Let one contender fit and be judged; whatever it stumbles over is told in its figures."""
    told: Result = {"value": None, "seconds": None, "rows": len(task.rows)}
    began = time.perf_counter()
    try:
        fitted = fit(task.rows, job)
        told["seconds"] = time.perf_counter() - began
        found = task.judge(fitted)
    except Exception as error:
        return told | {"failure": f"{type(error).__name__}: {error}"}
    if not np.isfinite(found):
        return told | {"failure": "figures that are not finite"}
    return told | {"value": found}
