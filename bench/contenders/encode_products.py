"""The bound of encoding: only the matrix products up to the code, batch by batch."""

from __future__ import annotations

from gpuae.benchmark.contenders import Job, Run, timed
from gpuae.benchmark.contenders.products import Operands, forward
from gpuae.training.batches import step_sizes


def prepare(job: Job) -> Run:
    """Allocate everything; a job is all rows once."""
    layers = len(job.config.resolved_hidden)
    steps = step_sizes(job.case.rows, job.case.batch_size)
    operands = Operands(job.case.widths[: layers + 1], steps[0], lambda host: host)

    def encode() -> None:
        for rows in steps:
            forward(operands, rows, layers)

    return timed(encode)
