"""Rows to train on and what is known about them, in gpuae's own HDF5 files and in anyone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gpuae.errors import InputError
from gpuae.memory import data_memory
from gpuae.storage import file_format
from gpuae.storage.file_format import NO_ATTRIBUTES, Attribute
from gpuae.storage.files.input_file import Input, InputFile, check_unchanged
from gpuae.storage.hdf5 import netcdf, nodes, opening, reading
from gpuae.storage.hdf5.stored_rows import StoredRows
from gpuae.storage.kinds.features import dataset_output
from gpuae.storage.kinds.row_metadata import fitting_image_shape, read_row_metadata
from gpuae.storage.rows import row_blocks, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.pages import is_in_memory


def open_dataset(
    input_file: InputFile, inner: str | None = None, memory: int | None = None
) -> Dataset:
    """Open rows in an HDF5 file.

    Parameters
    ----------
    input_file
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
        When there are no such rows; the message lists the datasets of the file.
    """
    most = data_memory(None) if memory is None else memory
    with opening.opened(input_file) as file:
        reading.refuse_unfinished(file)
        if inner is None:
            return replace(_open_own(file, most), file=input_file)
        dataset, x, image_shape = _read_rows(file, inner, most)
        image_shape = image_shape or fitting_image_shape(dataset)
        x, notes = netcdf.meant(dataset, x)
    metadata = RowMetadata(image_shape=image_shape)
    return Dataset(x, dataset.where, metadata, file=input_file, notes=notes)


def _open_own(file: nodes.File, memory: int) -> Dataset:
    """Open the rows of a gpuae file, with labels, names and whatever else is known of them."""
    inner = _own_rows(file)
    dataset, x, _ = _read_rows(file, inner, memory)
    metadata = read_row_metadata(file, dataset, inner.rpartition("/")[0])
    return Dataset(x, str(file.path), metadata)


def _own_rows(file: nodes.File) -> str:
    """Return where a gpuae file keeps its rows."""
    attributes = reading.root_attributes(file)
    kind = file_format.kind_of(attributes)
    if kind is not None:
        file_format.minor_version(attributes, str(file.path))
        rows = file_format.KINDS.get(kind)
        if rows is not None and rows.is_data:
            return rows.path
    if kind == "compressed":
        raise InputError(
            f"{file.path}: is a gpuae compressed file; make rows of it with gpuae decompress"
        )
    what = f"is a gpuae {kind} file, not data" if kind else "is not a gpuae data set"
    raise InputError(f"{file.path}: {what}; give FILE::/PATH: {netcdf.candidates(file)}")


def _read_rows(
    file: nodes.File, inner: str, memory: int
) -> tuple[nodes.Dataset, AnyRows, tuple[int, ...] | None]:
    """Return the dataset at `inner`, its rows as a matrix, and the shape of an image.

    Type and shape are checked first: they cost nothing, and reading may.
    """
    dataset = reading.dataset_at(file, inner)
    dtype = row_types.stored_type(dataset.dtype, dataset.where)
    row_types.check_row_shape(dataset.shape, dataset.where)
    if dataset.size * dtype.itemsize > memory and not reading.can_be_mapped(dataset, dtype):
        return dataset, StoredRows(dataset), row_types.image_of(dataset.shape)
    return dataset, *row_types.as_rows(reading.read_array(dataset), dataset.where)


def write_dataset(
    path: Path,
    dataset: Dataset,
    *,
    force: bool,
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
    inputs: Sequence[Input | None] = (),
) -> None:
    """Write a data set of gpuae's, a block of rows at a time, in the type that the rows have.

    A table, csv or parquet, if the ending of `path` asks for one.

    Parameters
    ----------
    attributes
        Further root attributes.
    inputs
        Files that must not change for as long as rows are read.

    Raises
    ------
    InputError
        When one of them has.
    OutputError
        When it cannot be written there.
    """
    dtype = row_types.stored_type(dataset.x.dtype, dataset.source)
    output = dataset_output(
        path, dataset.x.shape, dtype, dataset.metadata, force=force, attributes=attributes
    )
    with output as out:
        for start, rows in row_blocks.blocks(dataset.x):
            out.write(start, rows)
        if not is_in_memory(dataset.x):
            check_unchanged(*inputs)
