"""The other bound of encoding: the bytes of its rows read once, those of its codes written once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gpuae.benchmark.contenders import Job, Run, timed

READ_BYTES = 1 << 18
CODE_BYTES = 4
"""Of a unit: codes are float32."""


def prepare(job: Job) -> Run:
    """Write the rows to a file; a job is reading that and writing another one, batch by batch."""
    rows, codes = Path("bytes_of_rows"), Path("bytes_of_codes")
    job.case.data().tofile(rows)
    batch = job.case.batch_size
    width = job.config.resolved_hidden[-1]
    buffer = bytearray(READ_BYTES)
    block = np.ones(batch * width * CODE_BYTES, np.uint8).data
    size = job.case.rows * width * CODE_BYTES

    def read_and_write() -> None:
        with rows.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        codes.unlink(missing_ok=True)
        with codes.open("xb", buffering=0) as file:
            for start in range(0, size, len(block)):
                os.pwrite(file.fileno(), block[: size - start], start)

    return timed(read_and_write)
