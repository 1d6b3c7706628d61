"""Values of datasets that the guard has passed, by the part, whoever has to unpack them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files.input_file import OpenFile
from gpuae.storage.hdf5.chunks import Chunks
from gpuae.storage.hdf5.nodes import ADVICE, Box, Dataset

HANDED_BYTES = 64 << 20
"""That HDF5 is asked for at once, if a chunk is no more."""
MOST_HANDED_BYTES = 128 << 20


class Boxes:
    """Boxes of a guarded dataset of numbers or strings, as if it were an array; thread-safe.

    Raises
    ------
    InputError
        On construction and on reading, when the dataset is damaged, or the file has changed.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.shape, self.dtype, self.chunks = dataset.shape, dataset.dtype, dataset.chunks
        self._dataset = dataset
        self._own = _own_chunks(dataset)

    def __getitem__(self, part: slice | Box) -> NDArray[Any]:
        """Read a part, a slice for each dimension from the first one on."""
        box = self._box(part if isinstance(part, tuple) else (part,))
        self._dataset.file.check_unchanged(self._dataset.where)
        if self._own is not None:
            return self._own.read(box)
        file = self._dataset.file.content
        if file is not None and _is_one_stretch(self._dataset, box):
            return _stretch(self._dataset, file, box)
        return _asked_for(self._dataset, box)

    def _box(self, given: Box) -> Box:
        rest = (slice(None),) * (len(self.shape) - len(given))
        ends = (
            part.indices(size)[:2] for part, size in zip((*given, *rest), self.shape, strict=True)
        )
        return tuple(slice(start, max(start, stop)) for start, stop in ends)


def _own_chunks(dataset: Dataset) -> Chunks | None:
    """Return the chunks of a guarded dataset that are to be read here; None where HDF5 reads.

    Raises
    ------
    InputError
        When one of them cannot be right, whoever would read it.
    """
    if dataset.chunks is None or dataset.file.content is None:
        return None
    chunks = Chunks.of(dataset, dataset.file.content)
    return chunks if chunks.is_ours else None


def read_box(dataset: Dataset, box: Box = ()) -> NDArray[Any]:
    """Return the values of a guarded dataset, or of a box of it, in a type that NumPy has.

    Whoever reads more than one box takes `Boxes`.

    Raises
    ------
    InputError
        When it is damaged.
    """
    return Boxes(dataset)[box]


def _is_one_stretch(dataset: Dataset, box: Box) -> bool:
    """Whether a box is bytes of the file that lie together and need no conversion."""
    together = dataset.chunks is None and dataset.offset is not None
    whole = all(part == slice(0, n) for part, n in zip(box[1:], dataset.shape[1:], strict=True))
    return together and dataset.type.plain and whole


def _stretch(dataset: Dataset, file: OpenFile, box: Box) -> NDArray[Any]:
    shape = _shape_of(box)
    row_bytes = math.prod(shape[1:]) * dataset.dtype.itemsize
    place = (dataset.offset or 0) + (box[0].start * row_bytes if box else 0)
    values = np.empty(shape, dataset.dtype)
    try:
        with file.stream() as content:
            content.seek(place)
            count = content.readinto(values.reshape(-1).view(np.uint8).data)
    except OSError as error:
        raise InputError(f"{dataset.where}: cannot be read ({error.strerror}); copy it") from None
    if count < values.nbytes:
        raise InputError(f"{dataset.where}: is cut short; {ADVICE}")
    return values


def _asked_for(dataset: Dataset, box: Box) -> NDArray[Any]:
    """Return what HDF5 reads, asked for by pieces along the first dimension."""
    shape = _shape_of(box)
    step = _rows_together(dataset, shape)
    if not box or shape[0] <= step:
        return dataset.values(box)
    values = np.empty(shape, dataset.dtype)
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        piece = slice(box[0].start + start, box[0].start + stop)
        dataset.values((piece, *box[1:]), values[start:stop])
    return values


def _rows_together(dataset: Dataset, shape: tuple[int, ...]) -> int:
    """Return of how many rows a piece is: chunks as they are if that is not too much."""
    row_bytes = max(1, math.prod(shape[1:]) * dataset.type.size)
    chunk_rows = dataset.chunks[0] if dataset.chunks else 1
    whole_chunks = HANDED_BYTES // row_bytes // chunk_rows * chunk_rows
    return max(1, whole_chunks or min(chunk_rows, MOST_HANDED_BYTES // row_bytes))


def _shape_of(box: Box) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in box)
