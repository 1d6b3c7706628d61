"""Strings out of HDF5 files that have passed the guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.hdf5.nodes import ADVICE, Dataset, TooLargeError

READ_TOGETHER = 1 << 14
"""Strings, if a chunk does not hold more."""


def read_text(dataset: Dataset) -> NDArray[Any]:
    """Return a guarded dataset of strings (n,) as NumPy strings.

    Raises
    ------
    InputError
        For more than one dimension, more text than the limits allow, or bytes that are not UTF-8.
    """
    where = dataset.where
    if dataset.ndim != 1:
        raise InputError(f"{where}: has shape {dataset.shape} where one string a row is needed")
    blocks, longest = [], 1
    limits.check_text(longest, len(dataset), where)
    for _, cells in text_blocks(dataset):
        texts = [_decoded(cell, where) for cell in cells.tolist()]
        longest = max(longest, *map(len, texts))
        limits.check_text(longest, len(dataset), where)
        blocks.append(np.array(texts, dtype=f"U{longest}"))
    return np.concatenate(blocks) if blocks else np.empty(0, "U1")


def text_blocks(dataset: Dataset) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield all strings in order as (first row, rows), fewer at once where they are very long.

    All of them may point to one that is as long as the file; HDF5 does not tell their lengths.
    """
    boxes = Boxes(dataset)
    start, together = 0, max(READ_TOGETHER, dataset.chunks[0] if dataset.chunks else 1)
    while start < len(dataset):
        try:
            cells = boxes[start : start + together]
        except TooLargeError:
            if together == 1:
                raise
            together = max(1, together // 16)
        else:
            yield start, cells
            start += len(cells)


def _decoded(cell: bytes, where: str) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: cannot be read, it is damaged or no UTF-8 ({error.reason}); {ADVICE}"
        ) from None
