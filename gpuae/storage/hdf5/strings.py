"""Strings out of HDF5 files that have passed the guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.hdf5 import chunks, guard
from gpuae.storage.hdf5.string_spans import spans


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
    blocks, longest = [], 1
    limits.check_text(longest, len(dataset), source)
    for start, stop in spans(dataset, source):
        with guard.hdf5_errors(source):
            cells = dataset.asstr("utf-8")[start:stop].tolist()
        longest = max(longest, *map(len, cells))
        limits.check_text(longest, len(dataset), source)
        blocks.append(np.array(cells, dtype=f"U{longest}"))
    return np.concatenate(blocks) if blocks else np.empty(0, "U1")
