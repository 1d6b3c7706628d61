"""The SHA-256 of a dataset's values, over the SHA-256 of every 256 rows.

A leaf is 256 rows, the last one what is left. So threads that write rows in any order can hash
what they write, and nothing has to be read again.
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

LEAF_ROWS = 256


def values_sha256(dataset: Dataset) -> str:
    """Return the hash of a dataset's values, read a block at a time."""
    total = sha256()
    for digest in _digests(canonical.dataset_blocks(dataset)):
        total.update(digest)
    return total.hexdigest()


def array_sha256(values: NDArray[Any]) -> str:
    """Return the hash of values that are in memory."""
    rows = values.reshape(1) if values.ndim == 0 else values
    return sha256(b"".join(_digests([(0, rows)]))).hexdigest()


def _digests(blocks: Iterable[tuple[int, NDArray[Any]]]) -> Iterator[bytes]:
    """Yield the digest of each leaf from blocks of rows of any size, in order from row 0."""
    leaf = sha256()
    filled = 0
    for start, rows in blocks:
        for piece in _pieces(start, rows):
            leaf.update(canonical.as_bytes(piece))
            filled += len(piece)
            if filled == LEAF_ROWS:
                yield leaf.digest()
                leaf, filled = sha256(), 0
    if filled:
        yield leaf.digest()


def _pieces(start: int, rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut rows where leaves begin."""
    first = -start % LEAF_ROWS
    if first:
        yield rows[:first]
    for begin in range(first, len(rows), LEAF_ROWS):
        yield rows[begin : begin + LEAF_ROWS]


class HashBlocks:
    """The leaves of a dataset that is being written, by several threads in any order.

    Parameters
    ----------
    rows
        Of the whole dataset.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        count = -(-rows // LEAF_ROWS)
        self._digests = np.zeros((count, sha256().digest_size), np.uint8)
        self._seen = np.zeros(count, np.bool_)

    def add(self, start: int, rows: NDArray[Any]) -> None:
        """Take note of rows that have been written at row `start`.

        Leaves that lie in them whole are hashed; of others it is only noted that what was known of
        them holds no longer.
        """
        stop = start + len(rows)
        whole = range(-(-start // LEAF_ROWS), self._whole_until(stop))
        self._seen[start // LEAF_ROWS : -(-stop // LEAF_ROWS)] = False
        for leaf in whole:
            begin = leaf * LEAF_ROWS - start
            digest = sha256(canonical.as_bytes(rows[begin : begin + LEAF_ROWS])).digest()
            self._digests[leaf] = np.frombuffer(digest, np.uint8)
            self._seen[leaf] = True

    def _whole_until(self, stop: int) -> int:
        """Return the first leaf that does not end by row `stop`."""
        return len(self._seen) if stop == self._rows else stop // LEAF_ROWS

    def sha256(self, dataset: h5py.Dataset) -> str:
        """Return the hash of the values of `dataset`, of which only unseen leaves are read."""
        for leaf in np.flatnonzero(~self._seen).tolist():
            begin = leaf * LEAF_ROWS
            digest = sha256(canonical.as_bytes(dataset[begin : begin + LEAF_ROWS])).digest()
            self._digests[leaf] = np.frombuffer(digest, np.uint8)
        return sha256(self._digests.data).hexdigest()
