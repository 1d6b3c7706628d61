"""What data larger than memory cost: time beside the same rows in memory, and memory itself.

    python bench/large.py [--rounds N] [--gigabytes G] [--folder FOLDER] [--save]

- An epoch of the sparse case from a warm file through windows, beside one of the same rows in
  memory, in turns.
- A scan of a contiguous float32 file by blocks, beside one through a plain memory map, in turns.
- A checkpoint of the sparse case, beside the five minutes of training between two of them.
- The peak of resident memory, above that of a process that has done the same with few rows, of
  training on a file of G GB for an epoch, and of encoding it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from bench.run import ROOT, machine, versions
from gpuae.benchmark.cases import CASES, EVERY
from gpuae.config import Config
from gpuae.storage.rows import row_blocks
from gpuae.training.checkpoint import Checkpoints, CheckpointSaver, Interval
from gpuae.training.fitting import fit

TIMES = 5
"""The rows of the sparse case, so many times."""
SCANNED_BYTES = 2 << 30
COLUMNS = 784
PEAK = """
import sys
from gpuae.cli import run

def peak():
    # not getrusage: its figure begins with that of the process which started this one
    with open("/proc/self/status") as status:
        found = next(line for line in status if line.startswith("VmHWM:"))
    return int(found.split()[1]) / 1024

*few, last = (line.split() for line in sys.argv[1:])
for arguments in few:
    assert run(arguments) == 0
before = peak()
assert run(last) == 0
print(peak() - before)
"""


def in_turns(rounds: int, *jobs: Callable[[], float]) -> list[float]:
    """Return the median of what each job measures, one round after the other."""
    measured = [[job() for job in jobs] for _ in range(rounds)]
    return [median(column) for column in zip(*measured, strict=True)]


def epochs(rounds: int, folder: Path) -> dict[str, float]:
    """Return seconds of an epoch from the file and in memory."""
    case = CASES["sparse"]
    rows = np.tile(case.data(), (TIMES, 1))
    np.save(folder / "rows.npy", rows)
    mapped = np.load(folder / "rows.npy", mmap_mode="r")
    settings = {**EVERY, **case.settings, "epochs": 3, "shuffle": "block"}

    def seconds(x: np.ndarray, memory: str) -> float:
        course = fit(x, Config.parse({**settings, "memory": memory})).result
        return min(record.seconds for record in course.history.records[1:])

    file, memory = in_turns(
        rounds, lambda: seconds(mapped, "100MB"), lambda: seconds(rows, "100GB")
    )
    return {"from_file_s": file, "in_memory_s": memory, "ratio": file / memory}


def scans(rounds: int, folder: Path) -> dict[str, float]:
    """Return bytes a second of a scan by blocks and of one through a plain map."""
    path, rows = folder / "scan.npy", SCANNED_BYTES // (4 * COLUMNS)
    random_rows(path, rows)

    def seconds(scan: Callable[[np.ndarray], float]) -> float:
        x = np.load(path, mmap_mode="r")
        began = time.perf_counter()
        scan(x)
        return time.perf_counter() - began

    def by_blocks(x: np.ndarray) -> float:
        return max(float(block.max()) for _, block in row_blocks.blocks(x))

    ours, plain = in_turns(rounds, lambda: seconds(by_blocks), lambda: seconds(np.max))
    return {
        "blocks_GB_per_s": SCANNED_BYTES / ours / 1e9,
        "plain_GB_per_s": SCANNED_BYTES / plain / 1e9,
        "share": plain / ours,
    }


def checkpoints(rounds: int, folder: Path) -> dict[str, float]:
    """Return what a checkpoint takes, and its share of the time between two."""
    spent: list[float] = []
    save = CheckpointSaver.save

    def timed(self: CheckpointSaver, *what: object) -> None:
        began = time.perf_counter()
        save(self, *what)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - began)

    CheckpointSaver.save = timed  # type: ignore[method-assign, assignment]
    case = CASES["sparse"]
    plan = Checkpoints(folder / "run.h5", Interval(None, 1), force=True)
    for _ in range(rounds):
        config = Config.parse({**EVERY, **case.settings, "epochs": 3})
        fit(case.data()[:5000], config, checkpoints=plan)
    every = Interval().seconds or 0.0
    return {"checkpoint_s": median(spent), "share_of_training": median(spent) / every}


def peaks(gigabytes: float, folder: Path) -> dict[str, float]:
    """Return the MiB that the commands take above the same with few rows."""
    random_rows(folder / "few.npy", 4096)
    random_rows(folder / "large.npy", int(gigabytes * 1e9 / (4 * COLUMNS)))
    training = "fit {}.npy -o {}.h5 --force --hidden 32 --epochs 1"
    coding = "encode few.h5 {}.npy -o codes.h5 --force"
    fits = [training.format(name, name) for name in ("few", "large")]
    encodes = [coding.format(name) for name in ("few", "large")]
    return {"fit_MiB": peak(folder, *fits), "encode_MiB": peak(folder, fits[0], *encodes)}


def peak(folder: Path, *commands: str) -> float:
    """Run commands in one process; return how many MiB the last one adds to its peak."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *commands],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def random_rows(path: Path, rows: int) -> None:
    """Write float32 rows, a block at a time."""
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, COLUMNS))
    block = np.random.default_rng(0).random((8192, COLUMNS), dtype=np.float32)
    for start in range(0, rows, len(block)):
        x[start : start + len(block)] = block[: rows - start]
    x.flush()


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="where the files are made [the system's]")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    asked = parser.parse_args()
    with TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        found = {
            "epoch": epochs(asked.rounds, folder),
            "scan": scans(asked.rounds, folder),
            "checkpoint": checkpoints(asked.rounds, folder),
            "memory": peaks(asked.gigabytes, folder),
        }
    for what, figures in found.items():
        print(what, "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    if asked.save:
        now = datetime.now(UTC)
        told = {"gigabytes": asked.gigabytes, "machine": machine(), "versions": versions()}
        path = ROOT / "bench" / "results" / f"large-{now:%Y-%m-%d-%H%M}.json"
        path.write_text(json.dumps({**told, **found}, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
