"""Rows that a file keeps as columns, as MATLAB and Fortran do, turned a block at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.hdf5.nodes import Dataset
from gpuae.storage.rows import row_blocks, row_types

_PAGE_BYTES = 4096


class TransposedRows:
    """A `LazyRows` over a guarded HDF5 dataset whose dimensions are in reverse order.

    Parameters
    ----------
    dataset
        Of shape (…, n), at least two dimensions and none of them empty. A row is what has one
        index in the last dimension, its values in the order that they have when all dimensions
        are reversed.
    dtype
        In which rows are returned.
    """

    def __init__(self, dataset: Dataset, dtype: np.dtype[Any]) -> None:
        row_types.check_row_shape(dataset.shape[::-1], dataset.where)
        self.shape: tuple[int, int] = (dataset.shape[-1], math.prod(dataset.shape[:-1]))
        self.dtype = dtype
        self._boxes = Boxes(dataset)

    @property
    def rows_per_chunk(self) -> int:
        """Rows of one chunk, or of a page of memory, at most 32 MiB of them."""
        chunks: tuple[int, ...] | None = self._boxes.chunks
        together = chunks[-1] if chunks else _PAGE_BYTES // self.dtype.itemsize
        return row_blocks.at_most_a_block(together, self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows start … stop − 1 into a new array.

        Raises
        ------
        InputError
            When they cannot be read.
        """
        start, stop, _ = rows.indices(len(self))
        beside = (slice(None),) * (len(self._boxes.shape) - 1)
        block = self._boxes[(*beside, slice(start, max(start, stop)))]
        return np.array(block.T, self.dtype, order="C").reshape(-1, self.shape[1])
