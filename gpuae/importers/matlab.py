"""MATLAB's .mat files of version 7.3, which are HDF5 with the dimensions in reverse order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import named_arrays
from gpuae.importers.roles import LABEL_NAMES, named_as_labels
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, nodes, opening, reading
from gpuae.storage.hdf5.transposed_rows import TransposedRows
from gpuae.storage.rows import row_blocks, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.words import listed

MAGIC = b"MATLAB 7.3 MAT-file"
OLD_MAGIC = b"MATLAB 5.0 MAT-file"
_NO_NUMBERS = ("char", "cell", "struct", "function_handle", "string", "table")
_CLASS = "MATLAB_class"


def refuse_old(path: Path) -> None:
    """Refuse the format of `save` without -v7.3; SciPy's reader of it crashes on damaged files.

    Raises
    ------
    InputError
        Always, with the command of MATLAB's that helps.
    """
    raise InputError(
        f"{path}: is not of version 7.3, and of MATLAB's formats only that is read; load it in "
        "MATLAB and save it again by save('FILE.mat', 'X', '-v7.3')"
    )


def load(input_file: InputFile, name: str | None, memory: int) -> Dataset:
    """Open a matrix of MATLAB's; its rows are rows.

    Parameters
    ----------
    name
        Which variable, or a path to a field of a struct; None where there is one matrix only, or
        one named x, X or data.
    memory
        A matrix of at most so many bytes is read at once, a larger one block by block.

    Raises
    ------
    InputError
        When the choice is not clear, or it is no matrix of numbers.
    """
    with opening.opened(input_file) as file:
        chosen = _choose(file) if name is None else name.strip("/")
        dataset = _numbers_at(file, chosen)
        rows = TransposedRows(dataset, _type_of(dataset))
        x = row_blocks.load_if_small(rows, memory)
        y, notes = _labels(file, len(rows), chosen)
        image_shape = row_types.image_of(dataset.shape[::-1])
    metadata = RowMetadata(y=y, image_shape=image_shape)
    return Dataset(x, dataset.where, metadata, file=input_file, notes=notes)


def read_vector(input_file: InputFile, name: str | None) -> NDArray[Any]:
    """Return the numbers of a variable in their order in MATLAB, of any shape.

    Parameters
    ----------
    name
        None for the variable that has a name as labels have.

    Raises
    ------
    InputError
        When it is not there or holds no numbers.
    """
    with opening.opened(input_file) as file:
        chosen = name or next(iter(named_as_labels(_variables(file))), LABEL_NAMES[0])
        return _vector(file, chosen.strip("/"))


def _vector(file: nodes.File, name: str) -> NDArray[Any]:
    dataset = _numbers_at(file, name)
    return np.array(reading.read_array(dataset).T)


def _numbers_at(file: nodes.File, name: str) -> nodes.Dataset:
    """Return the guarded dataset of a variable that is a full matrix of numbers."""
    source = file.where(name)
    item = file.find(name)
    if item is None:
        raise InputError(f"{source}: is not in the file; {_listed(file)}")
    kind = _class_of(item)
    if reading.attribute(item, "MATLAB_sparse") is not None:
        raise InputError(f"{source}: is a sparse matrix; save full({name}) instead")
    if kind in _NO_NUMBERS or not isinstance(item, nodes.Dataset):
        what = kind or ("group" if isinstance(item, nodes.Group) else "object")
        raise InputError(f"{source}: is a {what}, not a matrix of numbers; {_listed(file)}")
    if reading.attribute(item, "MATLAB_empty"):
        raise InputError(f"{source}: is empty; give at least one row")
    return reading.dataset_at(file, name)


def _class_of(item: nodes.Item) -> str | None:
    value = reading.attribute(item, _CLASS)
    return value if isinstance(value, str) else None


def _type_of(dataset: nodes.Dataset) -> np.dtype[Any]:
    """Return the type of rows; truth values are kept in bytes and are no pixels."""
    if _class_of(dataset) == "logical":
        return row_types.stored_type(np.dtype(bool), dataset.where)
    return row_types.stored_type(dataset.dtype, dataset.where)


def _choose(file: nodes.File) -> str:
    """Return the only matrix, or the one with a name that is preferred."""
    found = _variables(file)
    matrices = [name for name, shape in found.items() if min(shape) > 1]
    preferred = [name for name in named_arrays.PREFERRED_NAMES if name in found]
    if len(preferred) == 1 or len(matrices) == 1:
        return (preferred or matrices)[0]
    raise InputError(f"{file.path}: give FILE::NAME to say which matrix; {_listed(file)}")


def _variables(file: nodes.File) -> dict[str, tuple[int, ...]]:
    """Return the matrices of numbers with their shapes in MATLAB."""
    found = {}
    for name in guard.names_in(file.root):
        try:
            dataset = _dataset_or_none(file, name)
        except InputError:
            continue
        if dataset is not None:
            found[name] = dataset.shape[::-1]
    return found


def _dataset_or_none(file: nodes.File, name: str) -> nodes.Dataset | None:
    item = file.find(name)
    if not isinstance(item, nodes.Dataset) or _class_of(item) in _NO_NUMBERS:
        return None
    if reading.attribute(item, "MATLAB_empty"):
        return None
    row_types.stored_type(item.dtype, name)
    row_types.check_row_shape(item.shape, name)
    return item


def _listed(file: nodes.File) -> str:
    found = [f"{name} {shape}" for name, shape in _variables(file).items()]
    if not found:
        return "there is no matrix of numbers in it"
    return f"the matrices in it are {listed(found, 20, more='and more')}"


def _labels(
    file: nodes.File, rows: int, chosen: str
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Return a vector that looks like one label a row, and a sentence that says so."""
    found = _variables(file)
    for name in named_as_labels(found):
        if name != chosen and sorted(found[name]) == sorted((1, rows)):
            return _vector(file, name).reshape(-1), (f"{name!r} is taken as the labels y",)
    return None, ()
