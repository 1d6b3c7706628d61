"""What it costs that foreign HDF5 is asked for by a process of its own.

python bench/opening.py FILE [GIB]      GIB: memory that is filled before
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening

TIMES, QUESTIONS = 40, 200


def main() -> None:
    """Print the least and the median of many openings, and of questions."""
    path, *size = sys.argv[1:]
    filled = np.ones(int(float(size[0]) * 2**27)) if size else None
    before = _computing()
    openings = [_opening(Path(path)) for _ in range(TIMES)]
    computing = (_computing() - before) / TIMES
    with opening.opened(InputFile(Path(path))) as file:
        begun = time.perf_counter()
        for _ in range(QUESTIONS):
            file.root.has("x")
        question = (time.perf_counter() - begun) / QUESTIONS
    least, median = min(openings) * 1e3, sorted(openings)[TIMES // 2] * 1e3
    print(f"opened in {least:.1f} ms at least, {median:.1f} as a rule")
    print(f"computing {computing * 1e3:.1f} ms; one question {question * 1e3:.3f} ms")
    print(f"beside {0 if filled is None else filled.nbytes >> 20} MiB")


def _opening(path: Path) -> float:
    begun = time.perf_counter()
    with opening.opened(InputFile(path)):
        return time.perf_counter() - begun


def _computing() -> float:
    """Return seconds of processors, of this process and of those that have ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(one) for one in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
