"""The SHA-256 of a dataset's values, computed from the SHA-256 of every 256 rows.

The last of these blocks has the rows that are left. So threads that write rows in any order can
hash what they write, and nothing has to be read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.storage.content_hash import canonical
from gpuae.storage.hdf5.nodes import Dataset

ROWS_PER_BLOCK = 256


def values_sha256(dataset: Dataset) -> str:
    """Return the hash of a dataset's values, of which some 8 MiB are read at a time."""
    return _sha256(canonical.dataset_blocks(dataset))


def array_sha256(values: NDArray[Any]) -> str:
    """Return the hash of values that are in memory."""
    return _sha256([(0, np.atleast_1d(values))])


def _sha256(parts: Iterable[tuple[int, NDArray[Any]]]) -> str:
    total = sha256()
    for digest in _digests(parts):
        total.update(digest)
    return total.hexdigest()


def _digests(parts: Iterable[tuple[int, NDArray[Any]]]) -> Iterator[bytes]:
    """Yield the hash of each block, from parts of any number of rows, in order from row 0."""
    block, filled = sha256(), 0
    for start, rows in parts:
        for piece in np.split(rows, range(-start % ROWS_PER_BLOCK, len(rows), ROWS_PER_BLOCK)):
            block.update(canonical.as_bytes(piece))
            filled += len(piece)
            if filled == ROWS_PER_BLOCK:
                yield block.digest()
                block, filled = sha256(), 0
    if filled:
        yield block.digest()


class HashBlocks:
    """The hashes of the blocks of a dataset that several threads write in any order.

    Parameters
    ----------
    rows
        Of the whole dataset.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        count = -(-rows // ROWS_PER_BLOCK)
        self._digests = np.zeros((count, sha256().digest_size), np.uint8)
        self._is_known = np.zeros(count, np.bool_)

    def add(self, start: int, rows: NDArray[Any]) -> None:
        """Hash the blocks that lie within rows that have been written at row `start`.

        What was known of a block of which only a part was written holds no longer.
        """
        stop = start + len(rows)
        self._is_known[start // ROWS_PER_BLOCK : -(-stop // ROWS_PER_BLOCK)] = False
        for begin in range(-start % ROWS_PER_BLOCK, len(rows), ROWS_PER_BLOCK):
            block = rows[begin : begin + ROWS_PER_BLOCK]
            if len(block) == ROWS_PER_BLOCK or stop == self._rows:
                self._hash((start + begin) // ROWS_PER_BLOCK, block)

    def _hash(self, number: int, block: NDArray[Any]) -> None:
        digest = sha256(canonical.as_bytes(block)).digest()
        self._digests[number] = np.frombuffer(digest, np.uint8)
        self._is_known[number] = True

    def sha256(self, dataset: h5py.Dataset) -> str:
        """Return the hash of the values of `dataset`, of which only unknown blocks are read."""
        for number in np.flatnonzero(~self._is_known).tolist():
            begin = number * ROWS_PER_BLOCK
            self._hash(number, dataset[begin : begin + ROWS_PER_BLOCK])
        return sha256(self._digests.data).hexdigest()
