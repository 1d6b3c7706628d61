"""One contender on one case in a process of its own: runs a round for every line on stdin.

    python -m bench.serve MODULE MODE CASE

Writes a line of JSON for each round: {"seconds": ..., "loss": ...}.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from bench.cases import CASES


def main() -> None:
    """Answer until stdin ends."""
    module, mode, case = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    run = import_module(f"bench.contenders.{module}").prepare(CASES[case], mode)
    for _ in sys.stdin:
        seconds, loss = run()
        print(json.dumps({"seconds": seconds, "loss": loss}), file=answers, flush=True)


if __name__ == "__main__":
    main()
