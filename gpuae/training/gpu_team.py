"""The team of one GPU: all rows of a step at once, from a queue that the host only fills.

One thread fills the queue; a recorded step becomes a captured graph. Between steps the host waits
for nothing; sums stay on the device until they are asked for.
"""

from __future__ import annotations

from gpuae.backends.ops import DeviceOps
from gpuae.errors import DeviceError
from gpuae.training.footprint import bytes_needed
from gpuae.training.loader import device_loader
from gpuae.training.team import Job, Layout, Team

BLOCK_ROWS = 16_384
"""Rows of a full batch that are on their way at once."""
EVALUATION_ROWS = 4096
"""Rows of evaluation that are on their way at once, about."""


def gpu_team(ops: DeviceOps, job: Job) -> Team:
    """Prepare the GPU of `ops`, which are the job's.

    Raises
    ------
    DeviceError
        Where it has no room for the network.
    """
    step_rows = min(job.batch, BLOCK_ROWS) if job.config.full_batch else job.batch
    evaluation_rows = step_rows * max(1, EVALUATION_ROWS // step_rows)
    needed = _bytes_needed(ops, job, step_rows + evaluation_rows)
    loader = device_loader(ops, job.x, unit=evaluation_rows, reserve=needed)
    layout = Layout(
        threads=1,
        lanes=1,
        tile_rows=step_rows,
        evaluation_rows=evaluation_rows,
        rows_at_once=1,
        moves_by_slice=False,
        queues=True,
    )
    return Team(job, layout, loader, loader)


def _bytes_needed(ops: DeviceOps, job: Job, rows_held: int) -> int:
    """Return the bytes that training takes beside the data; refuse what does not fit."""
    needed = bytes_needed(job.network, job.config, rows_held) + 8 * len(job.x)
    room = ops.room()
    if needed > room:
        raise DeviceError(
            f"device={ops.device()} is too full: training this network needs "
            f"{needed / 2**30:.3g} GiB and {max(0, room) / 2**30:.3g} GiB are free; lower "
            "batch_size or hidden, or use device=cpu"
        )
    return needed
