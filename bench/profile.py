"""Where a step's time goes: every call of our programs timed by the processor's own counter."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any
from unittest import mock

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gpuae.backends import numba_program
from gpuae.backends.numba_compile import kernel
from gpuae.benchmark.cases import Case
from gpuae.benchmark.contenders import Job
from gpuae.benchmark.contenders.ours import train
from gpuae.training.history import EpochRecord, Silence

EPOCHS = 4
NAMES = {"gemm": "products", "meet": "waiting for each other"}


def _type_ticks(_: Any) -> Any:
    """Return the processor's time stamp counter."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        function = builder.module.declare_intrinsic("llvm.readcyclecounter", (), kind)
        return builder.call(function, [])

    return types.int64(), generate


_ticks: Any = intrinsic(_type_ticks)


@kernel
def _timed_replay(entries: Any, places: Any, times: int, ticks: Any) -> None:
    for _ in range(times):
        before = _ticks()
        for i in range(entries.size):
            numba_program.call(entries[i], places[i])
            after = _ticks()
            ticks[i] += after - before
            before = after


class _AfterTheFirst(Silence):
    """Forgets what was measured in the first epoch, in which programs are written."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent

    def epoch_done(self, record: EpochRecord) -> None:
        if record.epoch == 1:
            self._spent.clear()


def profile(case: Case) -> dict[str, float]:
    """Return seconds of an epoch by kind of work, on each thread in the mean, largest first."""
    spent: dict[str, float] = defaultdict(float)
    lock = threading.Lock()

    def replay(program: numba_program.Program, times: int) -> None:
        ticks = np.zeros(len(program.entries), np.int64)
        began = time.perf_counter()
        _timed_replay(program.entries, program.places, times, ticks)
        seconds = (time.perf_counter() - began) * ticks / max(1, ticks.sum())
        with lock:
            for (function, _), own in zip(program.calls, seconds, strict=True):
                spent[_kind(function)] += own

    with mock.patch.object(numba_program.Program, "replay", replay):
        history = train(Job(case), EPOCHS, _AfterTheFirst(spent)).history
    epochs, seconds = len(history["seconds"]) - 1, float(history["seconds"][1:].sum())
    threads = max(1, round(sum(spent.values()) / seconds))
    share = 1 / (threads * epochs)
    parts = {name: own * share for name, own in sorted(spent.items(), key=lambda own: -own[1])}
    parts["the interpreter"] = seconds / epochs - sum(parts.values())
    return parts


def _kind(function: Any) -> str:
    name = function.py_func.__name__
    return NAMES.get(name, name.replace("_", " "))
