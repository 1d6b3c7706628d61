"""Strings out of HDF5 files that have passed the guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import chunks, guard, limits

_BLOCK_BYTES = 64 << 20


def read_text(dataset: h5py.Dataset, source: str) -> NDArray[Any]:
    """Return a guarded dataset of strings (n,) as NumPy strings.

    Raises
    ------
    InputError
        For more than one dimension, more text than the limits allow, or bytes that are not UTF-8.
    """
    if dataset.ndim != 1:
        raise InputError(f"{source}: has shape {dataset.shape} where one string a row is needed")
    if dataset.chunks is not None:
        chunks.Chunks.of(dataset, source).check_all(Path(dataset.file.filename))
    step = _rows_at_once(dataset)
    blocks, longest = [], 1
    limits.check_text(longest, len(dataset), source)
    for start in range(0, len(dataset), step):
        with guard.hdf5_errors(source):
            cells = dataset.asstr("utf-8")[start : start + step].tolist()
        longest = max(longest, *map(len, cells))
        limits.check_text(longest, len(dataset), source)
        blocks.append(np.array(cells, dtype=f"U{longest}"))
    return np.concatenate(blocks) if blocks else np.empty(0, "U1")


def _rows_at_once(dataset: h5py.Dataset) -> int:
    """Return how many strings are read in one go.

    Those of variable length may all point to one that is as long as the file.
    """
    length = h5py.check_string_dtype(dataset.dtype).length
    longest = length or Path(dataset.file.filename).stat().st_size
    return int(max(1, _BLOCK_BYTES // max(1, longest)))
