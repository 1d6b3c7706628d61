"""One label a row, or one weight, from a file beside the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import h5ad, hdf5_labels, idx, matlab, npy, sheet, table
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening
from gpuae.storage.rows import row_types

NOT_OF_LABELS = (
    *(Format.NPZ, Format.SPARSE_NPZ, Format.SAFETENSORS),
    *(Format.PARQUET, Format.ARROW, Format.ZARR, Format.IMAGE),
)
"""Formats that labels are not read from."""


class LabelsFile:
    """Labels in a file of their own, one a row.

    Parameters
    ----------
    spec
        idx, idx.gz, .npy, a table with one column or one named as labels are, a data set of
        gpuae's, `file.h5::/path`, `file.h5ad` with a column of `obs` named as labels are,
        `file.mat`, `file.mat::name`, or a sheet of a workbook.

    Raises
    ------
    InputError
        When the file cannot be read, or is of a format that labels are not read from.
    """

    what = "label"
    """What messages call one of them."""

    def __init__(self, spec: Path) -> None:
        self.spec = spec
        path, self._inner = split_spec(str(spec))
        self.file = InputFile(path)
        self._format = detect(self.file)
        if self._format in NOT_OF_LABELS:
            form = self._format.value
            raise InputError(f"{path}: {self.what}s are not read from {form}; save them as npy")
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
            return _one_a_row(matlab.read_vector(file, inner), str(self.spec), self.what)
        if found is Format.H5AD and inner is None:
            return _one_a_row(_of_anndata(file, count), str(self.spec), self.what)
        if found in (Format.HDF5, Format.H5AD):
            return _one_a_row(_from_hdf5(file, inner or "/data/y"), str(self.spec), self.what)
        if found is Format.WORKBOOK:
            return sheet.load_labels(file, inner, count)
        if inner is not None:
            raise InputError(
                f"{file}: has nothing to choose from by ::{inner}; give the file alone"
            )
        if found is Format.TABLE:
            return table.load_labels(file, count)
        values = idx.read_array(file) if found is Format.IDX else npy.read_array(file)
        return _one_a_row(values, str(file), self.what)


class WeightsFile(LabelsFile):
    """Weights in a file of their own, one number a row.

    Parameters
    ----------
    spec
        As of labels; within HDF5, .h5ad and .mat they have to be named, as `file.h5::/path`.
    """

    what = "weight"

    def load(self, count: int) -> NDArray[Any]:
        """Return the weights (n,) as they are in the file.

        Parameters
        ----------
        count
            How many there have to be; it tells whether a table has a header.

        Raises
        ------
        InputError
            When there is no vector of numbers.
        """
        file, inner, found = self.file, self._inner, self._format
        if found is Format.WORKBOOK:
            return sheet.load_weights(file, inner, count)
        if found is Format.TABLE and inner is None:
            return table.load_weights(file, count)
        if found in (Format.HDF5, Format.H5AD, Format.MATLAB) and inner is None:
            raise InputError(f"{file}: give FILE::NAME to say which array holds the weights")
        return super().load(count)


def _from_hdf5(input_file: InputFile, inner: str) -> NDArray[Any]:
    with opening.opened(input_file) as file:
        return hdf5_labels.column(file, inner)


def _of_anndata(input_file: InputFile, count: int) -> NDArray[Any]:
    """Return the column of `obs` that has a name as labels have."""
    with opening.opened(input_file) as file:
        y, _ = hdf5_labels.beside(file, h5ad.OBSERVATIONS, count)
    if y is None:
        raise InputError(
            f"{input_file}: has no column of {count} values named as labels are in obs; give "
            "FILE::/obs/NAME"
        )
    return y


def _one_a_row(values: NDArray[Any], source: str, what: str) -> NDArray[Any]:
    """Return values of shape (n,), (n, 1) or (1, n) as labels or weights (n,)."""
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise InputError(f"{source}: has shape {values.shape} where one {what} a row is needed")
    if values.dtype.kind in "US":
        limits.check_text(values.dtype.itemsize // 4, len(values), source)
    if values.dtype.kind == "U":
        return np.array(values)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return np.array(row_types.as_stored(values, source))
