"""Rows into a compressed file and out of it, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.compression.figures import Errors, Sums
from gpuae.compression.rows import as_type
from gpuae.compression.steps import levels_of
from gpuae.encoding import BLOCK_ROWS, GPU_BLOCK_ROWS, InferenceBuffers, decode, for_each_block
from gpuae.errors import InputError
from gpuae.machine import ANY, Machine
from gpuae.model.missing import filled
from gpuae.model.model import Model
from gpuae.model.unlike import Unlike
from gpuae.storage.file_format import NO_ATTRIBUTES, Attribute
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5.stored_rows import StoredRows
from gpuae.storage.kinds.compressed_file import (
    CompressedContents,
    Grid,
    compressed_output,
    open_compressed,
)
from gpuae.storage.outputs.columns_output import ColumnsOutput
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.dataset import NOTHING_KNOWN
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.metadata import RowMetadata

CODE_BYTES = 8


def row_type(model: Model, x: AnyRows) -> np.dtype[Any]:
    """Return in which type rows of x are made again: that of integers, else the model's."""
    return x.dtype if x.dtype.kind in "iu" else model.row_type


def output_for(
    path: Path,
    model: Model,
    x: AnyRows,
    grid: Grid,
    level_type: np.dtype[Any],
    *,
    metadata: RowMetadata = NOTHING_KNOWN,
    force: bool = False,
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
) -> ColumnsOutput:
    """Return the compressed file that the codes of x (n, d) are to be written into."""
    code_size = model.network.code_size
    contents = CompressedContents(model.decoder_alone(), grid, row_type(model, x), metadata)
    return compressed_output(
        path,
        (len(x), code_size),
        level_type,
        row_blocks.block_rows(x, GPU_BLOCK_ROWS, CODE_BYTES * code_size),
        contents,
        force=force,
        attributes=attributes,
    )


def write_codes(
    model: Model,
    x: AnyRows,
    grid: Grid,
    out: ColumnsOutput,
    *,
    advance: Callable[[int], None] | None = None,
    note: Callable[[str], None] | None = None,
    machine: Machine = ANY,
) -> Errors:
    """Write the rounded codes of x (n, d), and return how wrong the rows are that come of them.

    Parameters
    ----------
    advance
        Is told how many further rows are done.
    note
        Is told, in a sentence, where the rows are unlike those that the model was trained on.
    """
    rows = filled(x, model.preprocess.fill)
    sums = Sums(np.asarray(rows[0:1], np.float64)[0])
    unlike = Unlike.of(model, len(x))
    for start, block in row_blocks.blocks(
        rows, multiple=GPU_BLOCK_ROWS, made_bytes=CODE_BYTES * model.network.code_size
    ):
        unlike.look_at(start, block)
        out.write(start, _levels(model, block, grid, out.dtype, start, sums, machine))
        if advance is not None:
            advance(len(block))
    unlike.tell(note)
    return sums.errors(bytes_=x.dtype == np.uint8)


def _levels(
    model: Model,
    rows: NDArray[Any],
    grid: Grid,
    dtype: np.dtype[Any],
    start: int,
    sums: Sums,
    machine: Machine,
) -> NDArray[Any]:
    """Return the levels (m, k) of rows (m, d), and add up the errors of what comes of them."""
    levels = np.empty((len(rows), model.network.code_size), dtype)
    blocks = -(-len(rows) // BLOCK_ROWS)
    away, squares = np.zeros((blocks, rows.shape[1])), np.zeros((blocks, 4))
    made_type, factor = row_type(model, rows), model.preprocess.factor

    def work(buffers: InferenceBuffers, first: int, own: NDArray[Any]) -> None:
        tile = buffers.encode(own)
        code = tile.outputs[model.network.code]
        codes = buffers.ops.to_host(code).astype(np.float64)
        _check_finite(codes, start + first)
        mine = levels_of(grid, codes, dtype, start + first)
        levels[first : first + len(own)] = mine

        def made(values: NDArray[np.float64]) -> NDArray[np.float64]:
            buffers.ops.assign(code, values.astype(model.config.dtype))
            buffers.propagation.decode(tile, None)
            restored = buffers.restore(tile, buffers.propagation.reconstruct(tile))
            return as_type(restored, made_type).astype(np.float64)

        exact, rounded = made(codes) - own, made(grid.values(mine)) - own
        distances = own - sums.origin
        away[first // BLOCK_ROWS] = distances.sum(axis=0)
        squares[first // BLOCK_ROWS] = [
            (distances**2).sum(),
            (rounded**2).sum(),
            ((rounded * factor) ** 2).sum(),
            ((exact * factor) ** 2).sum(),
        ]

    for_each_block(model, rows, work, machine)
    sums.add(len(rows), away, squares)
    return levels


def _check_finite(codes: NDArray[np.float64], start: int) -> None:
    finite = np.isfinite(codes).all(axis=1)
    if not finite.all():
        raise InputError(
            f"row {start + int(np.argmin(finite)) + 1} (counted from 1) is so far from the "
            "training data that its code is not finite; check its values"
        )


class RoundedCodes:
    """A `LazyRows`: the codes of a compressed file."""

    def __init__(self, levels: StoredRows, grid: Grid, dtype: np.dtype[Any]) -> None:
        self._levels, self._grid = levels, grid
        self.shape, self.rows_per_chunk, self.dtype = levels.shape, levels.rows_per_chunk, dtype

    def __len__(self) -> int:
        return len(self._levels)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read the codes of rows start … stop − 1."""
        codes = self._grid.values(self._levels[rows])
        with np.errstate(over="ignore"):
            return codes.astype(self.dtype)


class Compressed:
    """A compressed file, open for its rows to be made again.

    Raises
    ------
    InputError
        When the file is none, or is damaged.
    """

    def __init__(self, file: InputFile) -> None:
        path = file.path
        contents, levels = open_compressed(file)
        self.path, self.row_type, self.metadata = path, contents.row_type, contents.metadata
        self.model = Model.of(contents.decoder, path)
        self.codes = RoundedCodes(levels, contents.grid, np.dtype(self.model.config.dtype))

    @property
    def shape(self) -> tuple[int, int]:
        """Of the rows, (n, d)."""
        return len(self.codes), self.model.network.columns

    def rows(self, sink: Callable[[int, NDArray[Any]], None], machine: Machine = ANY) -> None:
        """Hand all rows, in the data's own units and type, to the sink by blocks."""

        def typed(start: int, block: NDArray[Any]) -> None:
            sink(start, as_type(block, self.row_type))

        decode(self.model, self.codes, typed, machine=machine)
