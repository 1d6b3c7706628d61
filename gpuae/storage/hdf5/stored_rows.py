"""Rows in HDF5 datasets that have to be decompressed or converted, read a block at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.hdf5.nodes import Dataset
from gpuae.storage.rows import row_types

LARGEST_UNIT_BYTES = 128 << 20
"""Chunks may be as high as the matrix; they are unpacked again for each such part of them then."""


class StoredRows:
    """A `LazyRows` over a guarded HDF5 dataset.

    More than two dimensions are rows of the flattened rest.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._stored_shape = dataset.shape
        self._dtype = row_types.stored_type(dataset.dtype, dataset.where)
        self._rows_per_chunk = self._rows_together(dataset.chunks or (1,))
        self._boxes = Boxes(dataset)

    def _rows_together(self, chunk: tuple[int, ...]) -> int:
        row_bytes = math.prod(self._stored_shape[1:]) * self._dtype.itemsize
        return max(1, min(chunk[0], len(self), LARGEST_UNIT_BYTES // row_bytes))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        rows, *rest = self._stored_shape
        return rows, math.prod(rest)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows as they are read."""
        return self._dtype

    @property
    def rows_per_chunk(self) -> int:
        """Rows of a chunk, where these are not too many."""
        return self._rows_per_chunk

    def __len__(self) -> int:
        return self._stored_shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows start … stop − 1."""
        values = self._boxes[rows]
        return values.astype(self._dtype, copy=False).reshape(len(values), -1)
