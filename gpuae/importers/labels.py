"""One label a row, from a file beside the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import idx, matlab, npy, table
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.storage.files import limits
from gpuae.storage.hdf5 import guard, netcdf, reading
from gpuae.storage.rows import row_types


def load(spec: Path, count: int) -> NDArray[Any]:
    """Return the labels (n,) in a file: numbers, or strings.

    Parameters
    ----------
    spec
        idx, idx.gz, .npy, a table with one column or one named as labels are, a data set of
        gpuae's, `file.h5::/path`, or `file.mat::name`.
    count
        How many labels there have to be.

    Raises
    ------
    InputError
        When there is not one label a row.
    """
    path, inner = split_spec(str(spec))
    found = detect(path)
    if found in (Format.NPZ, Format.SPARSE_NPZ, Format.PARQUET, Format.IMAGE):
        raise InputError(f"{path}: labels are not read from {found.value}; save them as npy")
    if found is Format.OLD_MATLAB:
        matlab.refuse_old(path)
    if found is Format.MATLAB:
        return _one_a_row(matlab.read_vector(path, inner or "y"), str(spec))
    if found in (Format.HDF5, Format.H5AD):
        return _one_a_row(_from_hdf5(path, inner or "/data/y"), str(spec))
    if inner is not None:
        raise InputError(f"{path}: has nothing to choose from by ::{inner}; give the file alone")
    if found is Format.TABLE:
        return table.load_labels(path, count)
    values = idx.read_array(path) if found is Format.IDX else npy.read_array(path)
    return _one_a_row(values, str(path))


def _from_hdf5(path: Path, inner: str) -> NDArray[Any]:
    with guard.opened(path) as file:
        item = guard.find(file, inner)
        if isinstance(item, h5py.Dataset):
            netcdf.check_plain(item, guard.name_of(file, inner))
        values = reading.optional_array(file, inner)
        if values is None:
            raise InputError(
                f"{guard.name_of(file, inner)}: is not in the file; give FILE::/PATH of the labels"
            )
    return values


def _one_a_row(values: NDArray[Any], source: str) -> NDArray[Any]:
    """Return values of shape (n,), (n, 1) or (1, n) as labels (n,)."""
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise InputError(f"{source}: has shape {values.shape} where one label a row is needed")
    if values.dtype.kind in "US":
        limits.check_text(values.dtype.itemsize // 4, len(values), source)
    if values.dtype.kind == "U":
        return np.array(values)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return np.array(row_types.as_stored(values, source))
