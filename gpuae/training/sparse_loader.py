"""Rows of a sparse matrix, made dense ahead of the steps that need them."""

from __future__ import annotations

import numpy as np

from gpuae.storage.rows.sparse_rows import SparseRows
from gpuae.training.mapped_loader import SLOTS, MappedLoader


class SparseLoader(MappedLoader):
    """Brings a window of the order at a time, as a `MappedLoader` does, each row of it by itself.

    Parameters
    ----------
    x
        The sparse rows (n, d).
    batch
        Rows of the longest step.
    memory
        Bytes that may be in memory, about.
    """

    def __init__(self, x: SparseRows, batch: int, memory: int) -> None:
        super().__init__(x, batch, memory, spare=0)
        self._sparse = x

    def _read(self, slot: int) -> None:
        begin, first = slot * self._slot_rows, slot % SLOTS * self._room
        wanted = self._order[begin : begin + self._slot_rows]
        self.source[first : first + len(wanted)] = self._sparse[wanted]
        self._places[begin : begin + len(wanted)] = first + np.arange(len(wanted))
