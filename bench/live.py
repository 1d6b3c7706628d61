"""What `fit --live` costs: epochs with an open page, with one that nobody opens, without.

    python -m bench.live DATA [ROUNDS] [SETTINGS of fit…]

The three kinds run in turns. Prints the median over rounds of the seconds of all epochs but the
first, which the model file keeps, and of a single epoch.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

import h5py

KINDS = ("without", "nobody looks", "a page is open")
ROUNDS = 9


def main(data: str, rounds: str = str(ROUNDS), *settings: str) -> None:
    """Run all kinds in turns and print a line for each."""
    seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(int(rounds)):
            for place in range(len(KINDS)):
                kind = KINDS[(turn + place) % len(KINDS)]
                seconds[kind].append(epochs(Path(folder) / "model.h5", data, settings, kind))
    for kind, found in seconds.items():
        whole, one = (statistics.median(own) for own in zip(*found, strict=True))
        print(f"{kind:15} {whole:8.3f} s all epochs  {one:8.4f} s one epoch")


def epochs(output: Path, data: str, settings: tuple[str, ...], kind: str) -> tuple[float, float]:
    """Return the seconds of the epochs of a fit but the first, and of the middle one of them."""
    command = [sys.executable, "-m", "gpuae", "fit", data, "-o", str(output), "--force"]
    command += ["--patience", "0", *settings]
    if kind != "without":
        command.append("--live")
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "http://" in line and kind == "a page is open":
                threading.Thread(target=look, args=(line.split()[-1],), daemon=True).start()
    with h5py.File(output) as file:
        found = file["train/history/seconds"][1:]
    return float(found.sum()), float(statistics.median(found))


def look(address: str) -> None:
    """Take all that a page is sent, as a browser does."""
    with urllib.request.urlopen(f"{address}events") as events:
        while events.read1(1 << 16):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
