"""What a second thread brings: seconds an epoch of 784-1000-784 by the number of threads.

    python bench/threads.py [--rows 20000] [--rounds 5] [THREADS ...]

Each round times every number of threads in turn, so that a machine whose speed drifts is fair to
all. The first epoch of each fit warms up and is not counted. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
from statistics import median

import numpy as np

from gpuae.backends import blas
from gpuae.benchmark.cases import EVERY, PLAIN
from gpuae.config import Config
from gpuae.training.fitting import fit

SETTINGS = {**EVERY, **PLAIN, "hidden": (1000,), "batch_size": 256, "epochs": 3}


def epoch_seconds(x: np.ndarray, threads: int) -> list[float]:
    """Fit and return the seconds of all epochs but the first."""
    config = Config.parse({**SETTINGS, "threads": threads, "device": "cpu"})
    seconds = fit(x, config).model.history["seconds"]
    return [float(value) for value in seconds[1:]]


def main() -> None:
    """Time, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    x = np.random.default_rng(0).integers(0, 256, (arguments.rows, 784), np.uint8)
    times: dict[int, list[float]] = {threads: [] for threads in arguments.threads}
    for _ in range(arguments.rounds):
        for threads in times:
            times[threads] += epoch_seconds(x, threads)
    medians = {threads: median(seconds) for threads, seconds in times.items()}
    base = medians[arguments.threads[0]]
    print(
        json.dumps(
            {
                "network": "784-1000-784",
                "rows": arguments.rows,
                "machine": platform.processor() or platform.machine(),
                "kernel": blas.load().core,
                "seconds": {n: [round(s, 4) for s in sorted(all_)] for n, all_ in times.items()},
                "median": {threads: round(value, 4) for threads, value in medians.items()},
                "speed-up": {threads: round(base / value, 3) for threads, value in medians.items()},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
