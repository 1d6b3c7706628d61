"""One label a row, from a file beside the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import idx, matlab, npy, table
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import netcdf, opening, reading
from gpuae.storage.hdf5.nodes import Dataset
from gpuae.storage.rows import row_types


class LabelsFile:
    """Labels in a file of their own, one a row.

    Parameters
    ----------
    spec
        idx, idx.gz, .npy, a table with one column or one named as labels are, a data set of
        gpuae's, `file.h5::/path`, or `file.mat::name`.

    Raises
    ------
    InputError
        When the file cannot be read, or is of a format that labels are not read from.
    """

    def __init__(self, spec: Path) -> None:
        self.spec = spec
        path, self._inner = split_spec(str(spec))
        self.file = InputFile(path)
        self._format = detect(self.file)
        if self._format in (Format.NPZ, Format.SPARSE_NPZ, Format.PARQUET, Format.IMAGE):
            what = self._format.value
            raise InputError(f"{path}: labels are not read from {what}; save them as npy")
        if self._format is Format.OLD_MATLAB:
            matlab.refuse_old(path)

    def load(self, count: int) -> NDArray[Any]:
        """Return the labels (n,): numbers, or strings.

        Parameters
        ----------
        count
            How many there have to be; it tells whether a table has a header.

        Raises
        ------
        InputError
            When there is not one label a row.
        """
        file, inner, found = self.file, self._inner, self._format
        if found is Format.MATLAB:
            return _one_a_row(matlab.read_vector(file, inner or "y"), str(self.spec))
        if found in (Format.HDF5, Format.H5AD):
            return _one_a_row(_from_hdf5(file, inner or "/data/y"), str(self.spec))
        if inner is not None:
            raise InputError(
                f"{file}: has nothing to choose from by ::{inner}; give the file alone"
            )
        if found is Format.TABLE:
            return table.load_labels(file, count)
        values = idx.read_array(file) if found is Format.IDX else npy.read_array(file)
        return _one_a_row(values, str(file))


def _from_hdf5(input_file: InputFile, inner: str) -> NDArray[Any]:
    with opening.opened(input_file) as file:
        item = file.find(inner)
        if isinstance(item, Dataset):
            netcdf.check_plain(item)
        values = reading.optional_array(file, inner)
        if values is None:
            raise InputError(
                f"{file.where(inner)}: is not in the file; give FILE::/PATH of the labels"
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
