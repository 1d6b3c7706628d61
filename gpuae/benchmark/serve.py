"""One contender in a process of its own: does its job as often as each line on stdin says.

    python -m gpuae.benchmark.serve MODULE JOB

JOB is JSON (see `Job.to_json`). Answers each line with one of JSON: {"seconds": of one job,
"losses": [...]}, or {"error": a sentence} and ends.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any

from gpuae.benchmark.contenders import Job
from gpuae.errors import GpuaeError


def main() -> None:
    """Answer until stdin ends."""
    module, job = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(value: dict[str, Any]) -> None:
        print(json.dumps(value), file=answers, flush=True)

    try:
        run = import_module(module).prepare(Job.from_json(json.loads(job)))
        for line in sys.stdin:
            seconds, losses = run(int(line))
            answer({"seconds": seconds, "losses": losses})
    except Exception as error:
        traceback.print_exc()
        answer({"error": _sentence(error)})


def _sentence(error: Exception) -> str:
    """Return the first line of what an exception says, and its kind unless it is our own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else "no message"
    return first if isinstance(error, GpuaeError) else f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    main()
