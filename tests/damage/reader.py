"""Reads files one after the other, as the commands do, under limits that end the process.

Run as a program of its own: it takes one JSON array [kind, file] a line and answers each with two
lines, the file before it is read and then what became of it. What is no answer, a crash or the
alarm's end of the process, is seen by whoever asks.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import signal
import sys
import traceback
from pathlib import Path

from gpuae.cli import run

EXTRA_BYTES = 1 << 30
"""Of address space, beyond what the process has when it begins to read."""
SECONDS = 60
"""For one file: HDF5 may run for ever in each of four commands, until it has computed for two
seconds, on a machine that is busy with others."""

RESUME = (
    "fit {folder}/dataset.h5 -o {out} --force --checkpoint {file} --resume --hidden 4,2 --epochs 2"
)

COMMANDS = {
    "model": [
        ["plot", "all", "{file}", "{rows}", "--characters"],
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["score", "{file}", "{rows}", "-o", "{out}", "--force"],
    ],
    "checkpoint": [
        ["plot", "all", "{file}", "{rows}", "--characters"],
        ["score", "{file}", "{rows}", "-o", "{out}", "--force"],
        ["verify", "{file}"],
        RESUME.split(),
    ],
    "classifier": [
        ["plot", "all", "{file}", "{rows}", "--characters"],
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["predict", "{file}", "{rows}", "-o", "{out}", "--force"],
    ],
    "scores": [
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["plot", "errors", "{file}", "--characters"],
    ],
    "compressed": [
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["decompress", "{file}", "-o", "{out}", "--force"],
    ],
    "data": [["convert", "{file}", "{out}", "--force"]],
    "streamed": [
        ["convert", "{file}", "{out}", "--force"],
        ["score", "{folder}/model.h5", "{file}", "-o", "{out}", "--force", "--memory", "8B"],
    ],
    "hdf5": [
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["convert", "{file}", "{out}", "--force"],
    ],
    "inner": [
        ["inspect", "{file}"],
        ["verify", "{file}"],
        ["convert", "{file}::/x", "{out}", "--force"],
    ],
    "labels": [["convert", "{rows}", "{out}", "--labels", "{file}", "--force"]],
}
"""What is done with a file of each group."""


def attempt(group: str, file: str) -> str:
    """Return `read`, `refused`, or what went wrong."""
    folder = Path(file).parent
    names = {
        "file": file,
        "folder": str(folder),
        "rows": str(folder / "rows.npy"),
        "out": str(folder / "out.h5"),
    }
    outcomes = [_outcome([part.format(**names) for part in command]) for command in COMMANDS[group]]
    wrong = [outcome for outcome in outcomes if outcome not in ("read", "refused")]
    return wrong[0] if wrong else min(outcomes)


def _outcome(arguments: list[str]) -> str:
    device = ["--device", "numpy"] if arguments[0] in ("score", "fit", "decompress", "plot") else []
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = run([*arguments, *device, "--debug"])
    except Exception:
        return traceback.format_exc()
    errors = [line for line in said.getvalue().splitlines() if line.startswith("Error: ")]
    if code == 0:
        return "read"
    if code == 1 and arguments[0] == "verify" and not errors:
        return "refused"  # what is wrong is in its answer
    return "refused" if code == 2 and len(errors) == 1 else f"{code}: {said.getvalue()}"


def limit_memory() -> None:
    """Leave a gigabyte for what is read."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Answer until there is nothing more to read."""
    limited = False
    for line in sys.stdin:
        group, file = json.loads(line)
        print(json.dumps(file), flush=True)
        signal.alarm(SECONDS)
        outcome = attempt(group, file)
        signal.alarm(0)
        print(json.dumps(outcome), flush=True)
        if not limited:  # the first file is a whole one, and loads what all need
            limit_memory()
            limited = True


if __name__ == "__main__":
    main()
