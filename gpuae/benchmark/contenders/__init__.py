"""One module for each contender, with a function `prepare(job)` that returns a `Run`.

A contender runs in a process of its own (see `gpuae.benchmark.turns`), and a job is an epoch,
unless its module says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self, SupportsFloat, TypeAlias

from gpuae.benchmark.cases import Case
from gpuae.config import Config

Run: TypeAlias = Callable[[int], tuple[float, list[float]]]
"""Does the job so many times; returns the seconds of one and the objective each came to, if any."""


@dataclass(frozen=True)
class Job:
    """What a contender is to do, in which of its ways, and where."""

    case: Case
    mode: str = ""
    device: str = "cpu"
    threads: int | None = None

    @property
    def config(self) -> Config:
        """The case's configuration on this device."""
        return self.case.config(self.device, self.threads)

    @property
    def device_number(self) -> int:
        """Which of the GPUs."""
        return int(self.device.partition(":")[2] or 0)

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` understands in another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the job that `to_json` was called on."""
        return cls(**{**value, "case": Case(**value["case"])})


def timed(epoch: Callable[[], SupportsFloat | None]) -> Run:
    """Return a `Run` of a function that trains for an epoch and returns its loss, if it has one."""

    def run(count: int) -> tuple[float, list[float]]:
        began = time.perf_counter()
        losses = [epoch() for _ in range(count)]
        numbers = [float(loss) for loss in losses if loss is not None]
        return (time.perf_counter() - began) / count, numbers

    return run
