"""The team of this machine's threads."""

from __future__ import annotations

from gpuae.memory import data_memory
from gpuae.storage.rows.pages import is_large
from gpuae.storage.rows.sparse_rows import SparseRows
from gpuae.training.batches import choose_lanes, choose_tile_rows
from gpuae.training.loader import Loader, ResidentLoader
from gpuae.training.mapped_loader import MappedLoader
from gpuae.training.sparse_loader import SparseLoader
from gpuae.training.team import Job, Layout, Team

EVALUATION_ROWS = 256
"""Rows of a tile in evaluation, where small steps would only cost time."""
STRETCH_BYTES = 2 << 20
"""Of a large map so much is worked on in order before its pages are handed back."""


def thread_team(job: Job, threads: int) -> Team:
    """Gather so many threads, or as many as there are lanes.

    A large memory map is read ahead by mini-batches, and in order by everything else. Sparse rows
    are made dense ahead of both, of mini-batches alone: a full batch takes dense ones.
    """
    memory = data_memory(job.config.memory)
    large = is_large(job.x, memory)
    rows_at_once = len(job.x)
    if large:
        rows_at_once = max(1, STRETCH_BYTES // (job.x.itemsize * job.x.shape[1]))
    tile_rows = choose_tile_rows(job.config, job.network, job.batch)
    lanes = choose_lanes(job.config, job.batch, tile_rows)
    loader: Loader
    in_order: Loader
    if isinstance(job.x, SparseRows):
        in_order = SparseLoader(job.x, lanes * EVALUATION_ROWS, memory)
        loader = SparseLoader(job.x, job.batch, memory)
    else:
        loader = in_order = ResidentLoader(job.ops, job.x, rows_at_once if large else None)
        if large and not job.config.full_batch:
            loader = MappedLoader(job.x, job.batch, memory)
    layout = Layout(
        threads=threads,
        lanes=lanes,
        tile_rows=tile_rows,
        evaluation_rows=EVALUATION_ROWS,
        rows_at_once=rows_at_once,
        moves_by_slice=True,
    )
    return Team(job, layout, loader, in_order)
