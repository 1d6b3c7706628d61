"""Rows in HDF5 datasets that have to be decompressed or converted, read a block at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard, reading
from gpuae.storage.hdf5.chunks import Box, own_chunks
from gpuae.storage.rows import row_types

LARGEST_UNIT_BYTES = 128 << 20
"""Chunks may be as high as the matrix; they are unpacked again for each such part of them then."""


class StoredRows:
    """A `LazyRows` in an HDF5 file. More than two dimensions are rows of the flattened rest.

    The file is opened anew for every block, so nothing stays open between them.
    """

    def __init__(self, path: Path, inner: str) -> None:
        self._path, self._inner = path, inner
        with guard.opened(path) as file:
            dataset = reading.dataset_at(file, inner)
            self._source = guard.name_of(file, inner)
            self._stored_shape: tuple[int, ...] = dataset.shape
            self._dtype = row_types.stored_type(
                guard.value_type(dataset, self._source), self._source
            )
            self._rows_per_chunk = self._rows_together(dataset.chunks or (1,))
            self._chunks = own_chunks(dataset, self._source)

    def _rows_together(self, chunk: tuple[int, ...]) -> int:
        row_bytes = math.prod(self._stored_shape[1:]) * self._dtype.itemsize
        return max(1, min(chunk[0], len(self), LARGEST_UNIT_BYTES // row_bytes))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        rows, *rest = self._stored_shape
        return rows, int(np.prod(rest))

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
        start, stop, _ = rows.indices(len(self))
        box = tuple(slice(0, size) for size in self._stored_shape[1:])
        values = self._read((slice(start, max(start, stop)), *box))
        return values.astype(self._dtype, copy=False).reshape(len(values), -1)

    def _read(self, box: Box) -> NDArray[Any]:
        if self._chunks is not None:
            return self._chunks.read(self._path, box)
        with guard.opened(self._path) as file:
            dataset = reading.dataset_at(file, self._inner)
            if dataset.shape != self._stored_shape:
                raise InputError(f"{self._source}: has changed while it was read; try again")
            with guard.hdf5_errors(self._source):
                return np.asarray(dataset[box])
