"""Rows of types that are not kept: half precision, truth values, the byte order of others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.rows import row_types
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.views import View, read_rows


def from_bfloat16(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers of which integers of 16 bits are the upper halves, as bfloat16 is.

    Source: BFLOAT16 – Hardware Numerics Definition, Intel 2018.
    """
    wide = values.astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


class CastRows(View):
    """Rows (n, d) in the type that they are kept in, which a block has when it is read."""

    def __init__(self, source: NDArray[Any], dtype: np.dtype[Any], *, bfloat16: bool) -> None:
        super().__init__(source, source.shape, dtype)
        self._bfloat16 = bfloat16

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows in the type that they are kept in."""
        block = read_rows(self._source, rows)
        if self._bfloat16:
            return from_bfloat16(block)
        return np.ascontiguousarray(block, self.dtype)


def as_rows(
    values: NDArray[Any], source: str, memory: int, *, bfloat16: bool = False
) -> tuple[AnyRows, tuple[int, ...] | None]:
    """Return an array as a matrix (n, d), and the shape of a row where rows are images.

    Parameters
    ----------
    values
        An array whose rows may be mapped from a file.
    memory
        Rows of another type than is kept are changed at once if they take no more bytes, else block
        by block.
    bfloat16
        Whether the values, integers of 16 bits, are of that type.

    Raises
    ------
    InputError
        As `row_types.as_rows` says.
    """
    row_types.check_row_shape(values.shape, source)
    dtype = np.dtype(np.float32) if bfloat16 else row_types.stored_type(values.dtype, source)
    in_place = values.dtype == dtype and values.flags.aligned and not bfloat16
    small = math.prod(values.shape) * dtype.itemsize <= memory
    if in_place or small or not values.flags.c_contiguous:
        return row_types.as_rows(from_bfloat16(values) if bfloat16 else values, source)
    matrix = values.reshape(len(values), -1)
    return CastRows(matrix, dtype, bfloat16=bfloat16), row_types.image_of(values.shape)
