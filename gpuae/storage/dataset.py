"""Rows to train on and what is known about them, in gpuae's own HDF5 files and in anyone's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.memory import data_memory
from gpuae.storage import arrays, guard, listing, netcdf, reading, schema
from gpuae.storage.arrays import check_finite
from gpuae.storage.chunked import StoredRows
from gpuae.storage.companions import (
    Companions,
    fitting_image_shape,
    read_companions,
)
from gpuae.storage.input_file import InputFiles, sha256
from gpuae.storage.matrix import Source
from gpuae.storage.outputs import numbered, rows_output
from gpuae.storage.pages import is_in_memory
from gpuae.storage.schema import NO_ATTRIBUTES, Attribute
from gpuae.storage.temporary import check_distinct, check_output, check_room

__all__ = [
    "Dataset",
    "check_distinct",
    "check_finite",
    "check_output",
    "check_room",
    "open_dataset",
    "sha256",
    "write_dataset",
]


@dataclass(frozen=True)
class Dataset:
    """A matrix of rows and what is known about it.

    Raises
    ------
    InputError
        On construction, when what describes the rows or columns does not fit their number.
    """

    x: Source
    """Of shape (n, d), n and d at least 1, C-contiguous; an integer or float type of at most 64
    bits in native byte order. A read-only memory map where the file allows it; rows that are read
    when they are asked for where they neither can be mapped nor are to be in memory."""
    source: str
    """What messages call it: `digits`, `rows.csv`, `file.h5::/data/x`."""
    y: NDArray[Any] | None = None
    """Labels (n,), numbers or strings."""
    feature_names: tuple[str, ...] | None = None
    """One name a column."""
    row_id: NDArray[Any] | None = None
    """What identifies each row (n,), numbers or strings."""
    image_shape: tuple[int, ...] | None = None
    """Shape of one row, where rows are images."""
    source_path: Path | None = None
    """The file to hash; None for built-in data."""
    notes: tuple[str, ...] = ()
    """Choices made in reading that the user should hear of, one sentence each."""

    def __post_init__(self) -> None:
        arrays.check_row_shape(self.x.shape, self.source)
        rows, columns = self.x.shape
        for name, values in (("labels", self.y), ("row ids", self.row_id)):
            if values is not None and values.shape != (rows,):
                raise InputError(
                    f"{self.source}: has {rows} rows and {name} of shape {values.shape}; "
                    "give exactly one a row"
                )
        if self.feature_names is not None and len(self.feature_names) != columns:
            raise InputError(
                f"{self.source}: has {columns} columns and {len(self.feature_names)} feature "
                "names; give exactly one a column"
            )
        if self.image_shape is not None and math.prod(self.image_shape) != columns:
            raise InputError(
                f"{self.source}: has {columns} columns, which do not make images of shape "
                f"{self.image_shape}; correct the attribute {schema.IMAGE_SHAPE}"
            )


def open_dataset(path: Path, inner: str | None = None, memory: int | None = None) -> Dataset:
    """Open rows in an HDF5 file.

    Parameters
    ----------
    path
        An HDF5 file.
    inner
        Any numeric dataset in it, of two dimensions or more, whose attributes of netCDF are
        followed; None for the rows of a data set or features file of gpuae's, with the labels and
        names they have there.
    memory
        Bytes of rows that are read into memory at once, if they cannot be mapped; None for as many
        as suit this machine.

    Raises
    ------
    InputError
        When there are no such rows; the message says what there is.
    """
    most = data_memory(None) if memory is None else memory
    with guard.opened(path) as file:
        reading.refuse_unfinished(file)
        if inner is None:
            return _open_own(path, file, most)
        dataset, x, image_shape = _read_rows(path, file, inner, most)
        source = guard.name_of(file, inner)
        image_shape = image_shape or fitting_image_shape(dataset, source)
        x, notes = netcdf.meant(dataset, x, source)
    return Dataset(x, source, image_shape=image_shape, source_path=path, notes=notes)


def _open_own(path: Path, file: h5py.File, memory: int) -> Dataset:
    """Open the rows of a gpuae file, with everything that lies beside them."""
    inner = _own_rows(path, file)
    dataset, x, _ = _read_rows(path, file, inner, memory)
    beside = read_companions(file, dataset, inner.rpartition("/")[0])
    return Dataset(
        x,
        str(path),
        y=beside.y,
        feature_names=beside.feature_names,
        row_id=beside.row_id,
        image_shape=beside.image_shape,
        source_path=path,
    )


def _own_rows(path: Path, file: h5py.File) -> str:
    """Return where a gpuae file keeps its rows."""
    attributes = reading.root_attributes(file)
    kind = schema.kind_of(attributes)
    if kind is not None:
        schema.minor_version(attributes, str(path))
        if kind in schema.ROWS_OF_KIND:
            return schema.ROWS_OF_KIND[kind]
    if kind == "compressed":
        raise InputError(
            f"{path}: is a gpuae compressed file; make rows of it with gpuae decompress"
        )
    what = f"is a gpuae {kind} file, not data" if kind else "is not a gpuae data set"
    raise InputError(f"{path}: {what}; give FILE::/PATH: {listing.candidates(file)}")


def _read_rows(
    path: Path, file: h5py.File, inner: str, memory: int
) -> tuple[h5py.Dataset, Source, tuple[int, ...] | None]:
    """Return the dataset at `inner`, its rows as a matrix, and the shape of an image.

    Type and shape are checked first: they cost nothing, and reading may.
    """
    dataset = reading.dataset_at(file, inner)
    source = guard.name_of(file, inner)
    dtype = arrays.stored_type(guard.value_type(dataset, source), source)
    arrays.check_row_shape(dataset.shape, source)
    if dataset.size * dtype.itemsize > memory and not reading.can_be_mapped(dataset, dtype):
        return dataset, StoredRows(path, inner), arrays.image_of(dataset.shape)
    return dataset, *arrays.as_rows(reading.read_array(dataset, source), source)


def write_dataset(
    path: Path,
    dataset: Dataset,
    *,
    force: bool,
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
    inputs: InputFiles | None = None,
) -> None:
    """Write a data set of gpuae's, a block of rows at a time, in the type that the rows have.

    A table, csv or parquet, if the ending of `path` asks for one.

    Parameters
    ----------
    attributes
        Root attributes beside the standard ones.
    inputs
        Files that must not change for as long as rows are read.

    Raises
    ------
    InputError
        When one of them has.
    OutputError
        When it cannot be written there.
    """
    inner = schema.ROWS_OF_KIND["dataset"]
    dtype = arrays.stored_type(dataset.x.dtype, dataset.source)
    beside = Companions(dataset.y, dataset.row_id, dataset.feature_names, dataset.image_shape)

    output = rows_output(
        path,
        "dataset",
        inner,
        dataset.x.shape,
        dtype,
        names=dataset.feature_names or numbered("x", dataset.x.shape[1]),
        beside=beside,
        force=force,
        attributes=attributes,
    )
    with output as out:
        for start, rows in arrays.blocks(dataset.x):
            out.write(start, rows)
        if inputs is not None and not is_in_memory(dataset.x):
            inputs.check()
