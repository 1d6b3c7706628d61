"""Compressed data sets in HDF5: rounded codes, and the decoder that makes rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.file_format import Attribute
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import declared_arrays, opening, reading
from gpuae.storage.hdf5.nodes import Dataset, File
from gpuae.storage.hdf5.stored_rows import StoredRows
from gpuae.storage.kinds import model_file
from gpuae.storage.kinds.model_contents import ModelContents
from gpuae.storage.kinds.row_metadata import read_row_metadata, write_row_metadata
from gpuae.storage.outputs.columns_output import ColumnsOutput
from gpuae.storage.outputs.endings import check_hdf5_name
from gpuae.storage.rows import row_types
from gpuae.storage.rows.metadata import RowMetadata

FOLDER = "/codes"
LEVELS, STEP, FIRST = f"{FOLDER}/levels", f"{FOLDER}/step", f"{FOLDER}/first"
ROW_TYPE = "row_type"
LEVEL_TYPES = ("int16", "int32")


@dataclass(frozen=True)
class Grid:
    """The values that codes are rounded to: (level + first)·step, for each unit."""

    step: NDArray[np.float64]
    """Distance of neighbouring values, (k,), above 0."""
    first: NDArray[np.int64]
    """The multiple of the step that level 0 stands for, (k,)."""

    def values(self, levels: NDArray[Any]) -> NDArray[np.float64]:
        """Return codes (m, k) from their levels; infinite or NaN if a damaged file asks for it."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((levels + self.first) * self.step)

    def problem(self, code_size: int) -> str | None:
        """Return what is wrong, to be read after "its"; None when nothing is."""
        for name, values in ((STEP, self.step), (FIRST, self.first)):
            if values.shape != (code_size,):
                return f"{name} has shape {values.shape} where {(code_size,)} is needed"
        if not np.isfinite(self.step).all() or (self.step <= 0).any():
            return f"{STEP} holds values that are no steps"
        return None


@dataclass(frozen=True)
class CompressedContents:
    """Everything in a compressed file but the levels."""

    decoder: ModelContents
    """Without an encoder."""
    grid: Grid
    row_type: np.dtype[Any]
    """Of the rows that are made."""
    metadata: RowMetadata
    """Labels and identifiers of the rows."""


def compressed_output(
    path: Path,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    chunk_rows: int,
    contents: CompressedContents,
    *,
    force: bool,
    attributes: Mapping[str, Attribute],
) -> ColumnsOutput:
    """Return the output for levels of `shape` (n, k), by chunks of so many rows.

    Raises
    ------
    OutputError
        For an ending of another format, and when it cannot be written there.
    """
    check_hdf5_name(path, "a compressed data set")
    decoder = replace(contents.decoder, attributes=attributes)

    def build(file: h5py.File) -> None:
        model_file.fill(file, decoder, model_file.COMPRESSED)
        file[STEP], file[FIRST] = contents.grid.step, contents.grid.first
        file[LEVELS].attrs[ROW_TYPE] = contents.row_type.name
        write_row_metadata(file, LEVELS, contents.metadata)

    return ColumnsOutput(path, LEVELS, shape, dtype, chunk_rows, build, force=force)


def open_compressed(input_file: InputFile) -> tuple[CompressedContents, StoredRows]:
    """Return what a compressed file says, and the levels (n, k), which are read by blocks.

    Raises
    ------
    InputError
        When the file is none, or is damaged.
    """
    with opening.opened(input_file) as file:
        reading.refuse_unfinished(file)
        return contents_of(file), StoredRows(reading.dataset_at(file, LEVELS))


def contents_of(file: File) -> CompressedContents:
    """Return what an open compressed file says, after having checked that its parts fit."""
    decoder = model_file.contents_of(file, model_file.COMPRESSED)
    code_size = decoder.config.code_size
    levels, row_type = _checked_levels(file, code_size)
    for inner in (STEP, FIRST):
        declared_arrays.check_count(file, inner, code_size, "units of the code")
    step = reading.required_array(file, STEP).astype(np.float64)
    grid = Grid(step, _integers(file, FIRST))
    if problem := grid.problem(code_size):
        raise InputError(f"{file.path}: is a damaged compressed file, its {problem}; make it again")
    return CompressedContents(decoder, grid, row_type, read_row_metadata(file, levels, FOLDER))


def _checked_levels(file: File, code_size: int) -> tuple[Dataset, np.dtype[Any]]:
    """Return the levels, which have a column for each unit of the code, and the type of rows."""
    levels = reading.dataset_at(file, LEVELS)
    source = levels.where
    dtype = levels.dtype.newbyteorder("=")
    if levels.ndim != 2 or levels.shape[0] < 1 or levels.shape[1] != code_size:
        raise InputError(
            f"{source}: has shape {levels.shape} where rows of {code_size} levels are needed; "
            "make it again"
        )
    if dtype.name not in LEVEL_TYPES:
        raise InputError(f"{source}: is {dtype} where one of {LEVEL_TYPES} is needed")
    name = str(reading.attribute(levels, ROW_TYPE))
    if name not in row_types.STORED_TYPES:
        raise InputError(f"{source}: its {ROW_TYPE} is {name!r} where a type of numbers is needed")
    return levels, np.dtype(name)


def _integers(file: File, inner: str) -> NDArray[np.int64]:
    values = reading.required_array(file, inner)
    if values.dtype != np.int64:
        raise InputError(
            f"{file.where(inner)}: is {values.dtype} where int64 is needed; make it again"
        )
    return values
