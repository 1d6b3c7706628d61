"""Which products our own kernels make, and how they share them out.

cuBLAS is built for large matrices. Of small ones most of the time goes by before and after the
multiplying: `kernels/products.cu` lets several blocks share the inner dimension and does what comes
next, bias and activation or a delta, while the product is in registers. Which way a product goes
depends on its shape alone, and so do its bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpuae.backends.ops import Array

TILES = {"Wide": (32, 64), "Narrow": (32, 32)}
"""Rows and columns of each shape of a tile."""
LARGEST = 1 << 26
"""Multiplications of a product that is small; from there on cuBLAS is faster (bench/README.md)."""
LARGEST_OF_NARROW = 1 << 25
PROCESSORS = 132
"""Blocks that work at the same time, of a large GPU of today."""
MOST_SPLITS = 8
LEAST_SHARE, MOST_SHARE = 64, 512
"""Of the inner dimension, for a block."""


@dataclass(frozen=True)
class Product:
    """out = a·b of float32 matrices, either of which may lie transposed in memory."""

    a: Array
    b: Array
    out: Array
    transpose_a: bool
    transpose_b: bool
    shape: str
    splits: int

    @property
    def tiles(self) -> int:
        """How many tiles the product has."""
        return _tiles(self.shape, *self.out.shape)

    @property
    def strips(self) -> int:
        """How many strips of rows the tiles stand in."""
        return -(-len(self.out) // TILES[self.shape][0])

    @property
    def partials(self) -> int:
        """How many partial sums the blocks leave for the one that comes last."""
        rows, columns = TILES[self.shape]
        return self.tiles * self.splits * rows * columns if self.splits > 1 else 0

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that every kernel of products.cu has, but for scratch."""
        return {
            "a": self.a,
            "a_transposed": self.transpose_a,
            "b": self.b,
            "b_transposed": self.transpose_b,
            "splits": self.splits,
            "rows": len(self.out),
            "inner": self.a.size // len(self.out),
            "columns": self.out.shape[1],
        }


def small_product(
    a: Array, b: Array, out: Array, transpose_a: bool, transpose_b: bool
) -> Product | None:
    """Return a product that is for our own kernels, or None. No matrix is empty."""
    if out.dtype.name != "float32" or not all(own.flags.c_contiguous for own in (a, b, out)):
        return None
    rows, columns = out.shape
    inner = a.size // rows
    work = rows * inner * columns
    if work > LARGEST:
        return None
    narrow = work <= LARGEST_OF_NARROW and _tiles("Narrow", rows, columns) <= PROCESSORS
    shape = "Narrow" if narrow else "Wide"
    free = PROCESSORS // _tiles(shape, rows, columns)
    splits = max(1, min(MOST_SPLITS, free, inner // LEAST_SHARE))
    if inner > splits * MOST_SHARE:
        return None
    return Product(a, b, out, transpose_a, transpose_b, shape, splits)


def _tiles(shape: str, rows: int, columns: int) -> int:
    tile_rows, tile_columns = TILES[shape]
    return -(-rows // tile_rows) * -(-columns // tile_columns)
