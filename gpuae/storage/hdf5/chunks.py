"""Where the chunks of a dataset lie, and reading of them that no file can mislead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files.input_file import OpenFile
from gpuae.storage.hdf5.chunk_filters import Packing
from gpuae.storage.hdf5.nodes import ADVICE, Box, Dataset


@dataclass(frozen=True)
class Chunks:
    """The chunks of a guarded dataset; thread-safe."""

    dataset: Dataset
    file: OpenFile
    packing: Packing
    corners: NDArray[np.int64]
    """First index of each chunk (m, dimensions)."""
    places: NDArray[np.int64]
    """Offset in the file, size, and filters that were skipped, of each chunk (m, 3)."""

    @classmethod
    def of(cls, dataset: Dataset, file: OpenFile) -> Chunks:
        """Find the chunks of a guarded dataset that has some.

        Raises
        ------
        InputError
            When one does not lie in the file, or has a size that cannot be.
        """
        corners, places = np.split(dataset.chunk_places, [dataset.ndim], axis=1)
        found = cls(dataset, file, Packing.of(dataset), corners, places)
        found._check()
        if dataset.has_fill_value and not found._is_whole:
            raise InputError(
                f"{dataset.where}: has chunks that were never written, and a value of its own to "
                "stand for them; write it again with all its values"
            )
        return found

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.dataset.chunks or ()

    @property
    def _is_whole(self) -> bool:
        """Whether every chunk was written."""
        lengths = zip(self.dataset.shape, self._shape, strict=True)
        needed = math.prod(-(-n // size) for n, size in lengths)
        return len(np.unique(self.corners, axis=0)) >= needed

    def _check(self) -> None:
        offset, stored, _ = self.places.T
        beyond = (offset < 0) | (stored < 0) | (offset > self.file.size - stored)
        problem = "has a chunk beyond the end of the file" if beyond.any() else None
        for size, skipped in np.unique(self.places[:, 1:], axis=0).tolist():
            problem = problem or self.packing.stored_problem(size, skipped)
        if problem:
            raise InputError(f"{self.dataset.where}: {problem}; {ADVICE}")

    @property
    def is_ours(self) -> bool:
        """Whether they can be read without HDF5."""
        return self.packing.is_ours and self.dataset.type.plain

    def read(self, box: Box) -> NDArray[Any]:
        """Return the values in a box of the dataset, in their stored type, of chunks that are ours.

        Raises
        ------
        InputError
            When a chunk is damaged.
        """
        low = np.array([part.start for part in box])
        high = np.array([part.stop for part in box])
        values = np.zeros(high - low, self.dataset.dtype)  # where no chunk was written
        meets = (self.corners < high) & (self.corners + self._shape > low)
        for index in np.flatnonzero(meets.all(axis=1)).tolist():
            corner = self.corners[index]
            first, last = np.maximum(corner, low), np.minimum(corner + self._shape, high)
            chunk = self._unpacked(index)
            values[_box(first - low, last - low)] = chunk[_box(first - corner, last - corner)]
        return values

    def _unpacked(self, index: int) -> NDArray[Any]:
        offset, stored, skipped = self.places[index].tolist()
        try:
            content = self.packing.unpack(self.file.read(offset, stored), skipped)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.dataset.where}: cannot be read, it is damaged or cut short ({error}); "
                f"{ADVICE}"
            ) from None
        return np.frombuffer(content, self.dataset.dtype).reshape(self._shape)


def _box(low: NDArray[np.int64], high: NDArray[np.int64]) -> Box:
    return tuple(map(slice, low.tolist(), high.tolist()))
