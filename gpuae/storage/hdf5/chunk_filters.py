"""One chunk from its stored bytes, without HDF5.

HDF5 (2.0.0 was examined) trusts what a chunk unpacks to: a chunk of 1 kB that was stored as 1.6 MB
took 1.6 GB of memory, and one that unpacks to less than it declares makes HDF5 read beyond its
end, which ends the process. So gzipped chunks are unpacked here, to exactly what is declared.
The filters are those of the HDF5 File Format Specification, IV.A.2.l.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from h5py import h5z
from numpy.typing import NDArray

from gpuae.storage.hdf5 import filters
from gpuae.storage.hdf5.nodes import Dataset

OWN = filters.BUILT_IN - {h5z.FILTER_LZF}
CHECKSUM_BYTES = 4
_WORDS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Packing:
    """How the chunks of a dataset are stored."""

    filters: tuple[int, ...]
    """By number, in the order in which they were applied in writing."""
    nbytes: int
    """Of one chunk, unpacked."""
    itemsize: int

    @classmethod
    def of(cls, dataset: Dataset) -> Packing:
        """Return that of a chunked dataset."""
        return cls(tuple(filters.numbers(dataset)), dataset.chunk_bytes, dataset.type.stored_size)

    @property
    def is_ours(self) -> bool:
        """Whether `unpack` undoes all filters. Of lzf HDF5 is quicker."""
        return OWN.issuperset(self.filters)

    def stored_problem(self, stored: int, skipped: int) -> str | None:
        """Return why a chunk of `stored` bytes cannot be right; None when it can.

        Parameters
        ----------
        skipped
            A bit for each filter that was not applied to this chunk.
        """
        applied = self._applied(skipped)
        checksums = CHECKSUM_BYTES * applied.count(h5z.FILTER_FLETCHER32)
        if set(applied) <= {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}:
            wrong = stored != self.nbytes + checksums
        else:
            most = self.nbytes + self.nbytes // 100 + filters.EXTRA_BYTES
            wrong = not checksums < stored <= most
        return "has a chunk whose size is not what its filters make" if wrong else None

    def unpack(self, content: bytes, skipped: int) -> bytes:
        """Return the `nbytes` of a chunk whose filters `is_ours`.

        Raises
        ------
        ValueError
            When it is damaged: it would unpack to more or less, or its checksum is wrong.
        """
        applied = self._applied(skipped)
        for index in reversed(range(len(applied))):
            wanted = self.nbytes
            wanted += CHECKSUM_BYTES * applied[:index].count(h5z.FILTER_FLETCHER32)
            content = self._undo(applied[index], content, wanted)
        if len(content) != self.nbytes:
            raise ValueError(f"a chunk unpacks to {len(content)} bytes and declares {self.nbytes}")
        return content

    def _applied(self, skipped: int) -> list[int]:
        return [number for i, number in enumerate(self.filters) if not skipped >> i & 1]

    def _undo(self, number: int, content: bytes, wanted: int) -> bytes:
        if number == h5z.FILTER_FLETCHER32:
            return _checked(content)
        if number == h5z.FILTER_SHUFFLE:
            return _unshuffled(content, self.itemsize)
        return _inflated(content, wanted)


def _inflated(content: bytes, wanted: int) -> bytes:
    """Unpack deflate, and no more than one byte beyond what is wanted."""
    try:
        return zlib.decompressobj().decompress(content, wanted + 1)
    except zlib.error as error:
        raise ValueError(f"a chunk cannot be unpacked: {error}") from None


def _unshuffled(content: bytes, itemsize: int) -> bytes:
    """Put the bytes of each value together again; what is left at the end was not moved."""
    count = len(content) // itemsize
    moved = np.frombuffer(content, np.uint8, count * itemsize)
    return moved.reshape(itemsize, count).T.tobytes() + content[count * itemsize :]


def _checked(content: bytes) -> bytes:
    """Return a chunk without its checksum, which has to be right.

    Raises
    ------
    ValueError
        When it is wrong.
    """
    values, stored = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
    if len(stored) < CHECKSUM_BYTES or int.from_bytes(stored, "little") != fletcher32(values):
        raise ValueError("the checksum of a chunk is wrong")
    return values


def fletcher32(content: bytes) -> int:
    """Return the checksum of Fletcher over big-endian 16-bit words, as HDF5 has it.

    Source: J. Fletcher, "An arithmetic checksum for serial transmissions", 1982.
    """
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2")
    first = second = 0
    for start in range(0, len(words), _WORDS_AT_ONCE):
        block = words[start : start + _WORDS_AT_ONCE].astype(np.int64)
        weights: NDArray[Any] = np.arange(len(block), 0, -1)
        second += len(block) * first + int(block @ weights)
        first += int(block.sum())
    return _folded(second) << 16 | _folded(first)


def _folded(total: int) -> int:
    """Return the sum in 16 bits, carries added at the low end: 65535 rather than 0."""
    return (total - 1) % 0xFFFF + 1 if total else 0
