"""Where the chunks of a dataset lie, and reading of them that no file can mislead."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5t
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files.input_file import Version, version_of
from gpuae.storage.hdf5 import guard
from gpuae.storage.hdf5.chunk_filters import Packing

Box = tuple[slice, ...]
"""Start and stop in each dimension, step 1."""


@dataclass(frozen=True)
class Chunks:
    """The chunks of a guarded dataset; thread-safe, and needs no open file.

    Where HDF5 has to unpack them itself (lzf, and filters of hdf5plugin), what can be told of a
    chunk without unpacking it has been checked.
    """

    source: str
    packing: Packing
    shape: tuple[int, ...]
    """Of the dataset."""
    chunk: tuple[int, ...]
    """Shape of one chunk."""
    dtype: np.dtype[Any]
    """Of the values as they are stored."""
    corners: NDArray[np.int64]
    """First index of each chunk (m, dimensions)."""
    places: NDArray[np.int64]
    """Offset in the file, size, and filters that were skipped, of each chunk (m, 3)."""
    version: Version
    """Of the file."""

    @classmethod
    def of(cls, dataset: h5py.Dataset, source: str) -> Chunks:
        """Find the chunks of a guarded dataset that has some.

        Raises
        ------
        InputError
            When one does not lie in the file, or has a size that cannot be.
        """
        corners, places = [], []

        def look(chunk: h5py.h5d.StoreInfo) -> None:
            corners.append(chunk.chunk_offset)
            places.append((chunk.byte_offset, chunk.size, chunk.filter_mask))

        status = Path(dataset.file.filename).stat()
        with guard.hdf5_errors(source):
            dataset.id.chunk_iter(look)
            found = cls(
                source,
                Packing.of(dataset),
                dataset.shape,
                dataset.chunks,
                guard.value_type(dataset, source),
                np.array(corners, np.int64).reshape(-1, dataset.ndim),
                np.array(places, np.int64).reshape(-1, 3),
                version_of(status),
            )
            fills = dataset.id.get_create_plist().fill_value_defined()
        found._check(status.st_size)
        if fills == h5d.FILL_VALUE_USER_DEFINED and not found._is_whole:
            raise InputError(  # HDF5 crashes when it looks up such a value in a damaged file
                f"{source}: has chunks that were never written, and a value of its own to stand "
                "for them; write it again with all its values"
            )
        return found

    @property
    def _is_whole(self) -> bool:
        """Whether every chunk was written."""
        needed = math.prod(-(-n // size) for n, size in zip(self.shape, self.chunk, strict=True))
        return len(np.unique(self.corners, axis=0)) >= needed

    def _check(self, file_size: int) -> None:
        for offset, stored, skipped in self.places.tolist():
            problem = self.packing.stored_problem(stored, skipped)
            if offset + stored > file_size:
                problem = "has a chunk beyond the end of the file"
            if problem:
                raise InputError(f"{self.source}: {problem}; copy it or make it again")

    def read(self, path: Path, box: Box) -> NDArray[Any]:
        """Return the values in a box of the dataset, in their stored type.

        Raises
        ------
        InputError
            When a chunk is damaged, or the file has changed.
        """
        low = np.array([part.start for part in box])
        high = np.array([part.stop for part in box])
        values = np.zeros(high - low, self.dtype)  # where no chunk was written
        meets = (self.corners < high) & (self.corners + self.chunk > low)
        with path.open("rb") as file:
            if version_of(os.fstat(file.fileno())) != self.version:
                raise InputError(f"{self.source}: has changed while it was read; try again")
            for index in np.flatnonzero(meets.all(axis=1)):
                corner = self.corners[index]
                first, last = np.maximum(corner, low), np.minimum(corner + self.chunk, high)
                chunk = self._unpacked(file.fileno(), int(index))
                values[_box(first - low, last - low)] = chunk[_box(first - corner, last - corner)]
        return values

    def check_all(self, path: Path) -> None:
        """Unpack every chunk and keep none, so that HDF5 may read what is not read here.

        Raises
        ------
        InputError
            When one is damaged.
        """
        if not self.packing.is_ours:
            return
        with path.open("rb") as file:
            for index in range(len(self.places)):
                self._content(file.fileno(), index)

    def _unpacked(self, descriptor: int, index: int) -> NDArray[Any]:
        return np.frombuffer(self._content(descriptor, index), self.dtype).reshape(self.chunk)

    def _content(self, descriptor: int, index: int) -> bytes:
        offset, stored, skipped = self.places[index].tolist()
        try:
            return self.packing.unpack(os.pread(descriptor, stored, offset), skipped)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.source}: cannot be read, it is damaged or cut short ({error}); "
                "copy it or make it again"
            ) from None


def _box(low: NDArray[np.int64], high: NDArray[np.int64]) -> Box:
    return tuple(map(slice, low.tolist(), high.tolist()))


def own_chunks(dataset: h5py.Dataset, source: str) -> Chunks | None:
    """Return the chunks of a guarded dataset that are to be read here; None where HDF5 may read.

    Raises
    ------
    InputError
        When HDF5 would have to read them and they are damaged.
    """
    if dataset.chunks is None:
        return None
    chunks = Chunks.of(dataset, source)
    if chunks.packing.is_ours and has_plain_type(dataset, chunks.dtype):
        return chunks
    chunks.check_all(Path(dataset.file.filename))
    return None


class Boxes:
    """Boxes of a guarded dataset of numbers or strings, as if it were an array.

    Raises
    ------
    InputError
        On construction and on reading, when the dataset is damaged.
    """

    def __init__(self, dataset: h5py.Dataset, source: str) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype = guard.value_type(dataset, source)
        self.chunks: tuple[int, ...] | None = dataset.chunks
        self._dataset, self._source = dataset, source
        self._own = own_chunks(dataset, source)
        self._path = Path(dataset.file.filename)

    def __getitem__(self, part: slice | Box) -> NDArray[Any]:
        """Read a part, a slice for each dimension from the first one on."""
        given = part if isinstance(part, tuple) else (part,)
        if self._own is not None:
            return self._own.read(self._path, self._box(given))
        with guard.hdf5_errors(self._source):
            return np.asarray(self._dataset[given] if self.shape else self._dataset[()])

    def _box(self, given: Box) -> Box:
        rest = (slice(None),) * (len(self.shape) - len(given))
        ends = (
            part.indices(size)[:2] for part, size in zip((*given, *rest), self.shape, strict=True)
        )
        return tuple(slice(start, max(start, stop)) for start, stop in ends)


def read_box(dataset: h5py.Dataset, source: str, box: Box = ()) -> NDArray[Any]:
    """Return the values of a guarded dataset, or of a box of it, in a type that NumPy has.

    Whoever reads more than one box takes `Boxes`.

    Raises
    ------
    InputError
        When it is damaged.
    """
    return Boxes(dataset, source)[box]


def has_plain_type(dataset: h5py.Dataset, dtype: np.dtype[Any]) -> bool:
    """Whether the stored bytes are those of a NumPy type, with nothing to convert."""
    known = dtype.kind in "biufS"  # not what points elsewhere, as text of variable length
    return known and bool(dataset.id.get_type().equal(h5t.py_create(dtype, logical=True)))
