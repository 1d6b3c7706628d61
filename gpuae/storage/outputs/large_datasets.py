"""Large contiguous datasets in a new HDF5 file: where they lie, and what room they take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gpuae.storage.content_hash.hash_blocks import HashBlocks
from gpuae.storage.file_format import LIBVER

ALIGNMENT = 4096
"""Large datasets start at a multiple of this: aligned for any type, and for pages."""


@dataclass
class LargeDataset:
    """A contiguous dataset with a value, or several, for each row."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    field: str | None
    """Which part of a row it holds; None: all of it."""
    hashes: HashBlocks
    offset: int = 0
    """Where in the file it begins."""

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def large_datasets(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[LargeDataset]:
    """Return the dataset at `path`, or one below its folder for each field of a row."""
    if dtype.fields is None:
        return [LargeDataset(path, shape, dtype, None, HashBlocks(shape[0]))]
    folder = path.rpartition("/")[0]
    fields = {name: dtype[name] for name in dtype.fields}
    return [
        LargeDataset(f"{folder}/{name}", (*shape, *own.shape), own.base, name, HashBlocks(shape[0]))
        for name, own in fields.items()
    ]


def opened(path: Path) -> h5py.File:
    """Open a file that nobody else knows, in the space that has been reserved for it."""
    return h5py.File(
        path,
        "r+",
        libver=LIBVER,
        locking=False,  # some file systems have no locks
        alignment_threshold=1,
        alignment_interval=ALIGNMENT,
    )


def offset_of(path: Path, dataset_path: str) -> int | None:
    """Return where the large dataset of an interrupted output begins; None if that is not known."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            offset: int | None = file[dataset_path].id.get_offset()
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError):
        return None
    return offset


def allocate(path: Path, datasets: Sequence[LargeDataset]) -> None:
    """Give large datasets their space in the reserved file and note where that begins.

    The first value that is written makes HDF5 allocate all of it, unfilled.
    """
    with opened(path) as file:
        for large in datasets:
            dataset = file[large.path]
            dataset[(0,) * dataset.ndim] = 0
            large.offset = int(dataset.id.get_offset())
