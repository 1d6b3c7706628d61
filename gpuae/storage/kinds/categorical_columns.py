"""Columns of categories in HDF5 files: their names, and the values of each."""

from __future__ import annotations

import h5py

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.hdf5 import reading
from gpuae.storage.hdf5.nodes import ADVICE, File
from gpuae.storage.rows.categorical import Categorical, CategoricalColumn

GROUP = "categorical"


def write_categorical(folder: h5py.Group, categorical: Categorical) -> None:
    """Write columns of categories, if there are any, into a group of `folder`.

    `names` has one name a column; `0`, `1` and so on the values of each.
    """
    if not categorical:
        return
    group = folder.create_group(GROUP)
    names = [column.name for column in categorical]
    group["names"] = file_format.text_cells(names, f"{GROUP}/names")
    for index, column in enumerate(categorical):
        group[str(index)] = file_format.text_cells(column.values, f"{GROUP}/{index}")


def read_categorical(file: File, folder: str) -> Categorical:
    """Return the columns of categories in `folder`; none where there is no group of them.

    Raises
    ------
    InputError
        For what is there and is no text.
    """
    group = f"{folder}/{GROUP}"
    if file.find(group) is None:
        return ()
    names = _texts(file, f"{group}/names")
    return tuple(
        CategoricalColumn(name, _texts(file, f"{group}/{index}"))
        for index, name in enumerate(names)
    )


def _texts(file: File, inner: str) -> tuple[str, ...]:
    """Return the strings (n,) of a dataset."""
    found = reading.optional_array(file, inner)
    if found is None or found.dtype.kind != "U" or found.ndim != 1:
        what = "is missing" if found is None else "holds no list of text"
        raise InputError(f"{file.where(inner)}: {what}; {ADVICE}")
    return tuple(found.tolist())
