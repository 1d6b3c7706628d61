"""Row metadata in HDF5 files: labels, row ids, names of columns, the shape of an image."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.hdf5 import declared_arrays, reading
from gpuae.storage.hdf5.nodes import Dataset, File, Item
from gpuae.storage.kinds.categorical_columns import read_categorical, write_categorical
from gpuae.storage.rows import row_types
from gpuae.storage.rows.metadata import RowMetadata


def write_row_metadata(file: h5py.File, rows_path: str, metadata: RowMetadata) -> None:
    """Write `metadata` into the folder of the rows at `rows_path`, which are there already.

    Raises
    ------
    InputError
        For values that are neither numbers nor strings.
    """
    folder = file[rows_path].parent
    for name in ("y", "row_id"):
        values = getattr(metadata, name)
        if values is not None:
            folder.create_dataset(name, data=_storable(values, name))
    if metadata.feature_names is not None:
        write_names(folder, metadata.feature_names)
    write_categorical(folder, metadata.categorical)
    if metadata.image_shape is not None:
        file[rows_path].attrs[file_format.IMAGE_SHAPE] = np.array(metadata.image_shape, np.int64)


def write_names(folder: h5py.Group, names: tuple[str, ...]) -> None:
    """Write the names of the columns into `folder`."""
    folder.create_dataset("feature_names", data=file_format.text_cells(names, "feature_names"))


def _storable(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return numbers in a type that files hold, and strings as UTF-8 cells."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    kind = values.dtype.kind
    if kind in "UT" or (kind == "O" and all(isinstance(value, str) for value in values.tolist())):
        return file_format.text_cells(values.tolist(), name)
    return row_types.as_stored(values, name)


def read_row_metadata(file: File, rows: Dataset, folder: str) -> RowMetadata:
    """Read the metadata in `folder`, that of the guarded dataset `rows`.

    Raises
    ------
    InputError
        For what is there and cannot be used.
    """
    count, columns = rows.shape[0], math.prod(rows.shape[1:])
    for name in ("y", "row_id"):
        declared_arrays.check_count(file, f"{folder}/{name}", count, "rows")
    return RowMetadata(
        y=reading.optional_array(file, f"{folder}/y"),
        row_id=reading.optional_array(file, f"{folder}/row_id"),
        feature_names=read_names(file, folder, columns),
        image_shape=read_image_shape(rows),
        categorical=read_categorical(file, folder),
    )


def read_names(file: File, folder: str, columns: int) -> tuple[str, ...] | None:
    """Return the names of the columns in `folder`; None where there are none."""
    declared_arrays.check_count(file, f"{folder}/feature_names", columns, "columns")
    names = reading.optional_array(file, f"{folder}/feature_names")
    if names is None:
        return None
    if names.dtype.kind != "U":
        source = file.where(f"{folder}/feature_names")
        raise InputError(f"{source}: holds {names.dtype} where strings are needed")
    return tuple(names.tolist())


def read_image_shape(owner: Item) -> tuple[int, ...] | None:
    """Return the attribute `image_shape` of a dataset or group; None where there is none.

    Raises
    ------
    InputError
        When it is no tuple of positive integers.
    """
    value = reading.attribute(owner, file_format.IMAGE_SHAPE)
    if value is None:
        return None
    values = value if isinstance(value, tuple) else ()
    shape = tuple(size for size in values if isinstance(size, int) and size > 0)
    if not shape or shape != value:
        raise InputError(
            f"{owner.file.path}: the attribute {file_format.IMAGE_SHAPE} of {owner.path} is "
            f"{value!r} where positive integers are needed; correct it or delete it"
        )
    return shape


def fitting_image_shape(rows: Dataset) -> tuple[int, ...] | None:
    """Return the shape of an image in anyone's file, where the attribute makes sense for `rows`."""
    try:
        shape = read_image_shape(rows)
    except InputError:
        return None
    return shape if shape and math.prod(shape) == rows.shape[1] else None
