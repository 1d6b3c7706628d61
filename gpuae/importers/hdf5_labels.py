"""Labels in HDF5 files: beside the rows under a name that labels have, or wherever a person says.

A column of labels is a vector, or one of the groups that AnnData makes of a column: categories with
a code for each row, or values with a mask of those that are missing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.roles import named_as_labels
from gpuae.storage.files import limits
from gpuae.storage.hdf5 import guard, netcdf, nodes, reading

Found: TypeAlias = tuple[NDArray[Any] | None, tuple[str, ...]]
"""Labels (n,), and what a person should hear of them."""
OLD_CATEGORIES = "__categories"
"""Where AnnData kept categories before 0.8, beside the codes."""


def beside(file: nodes.File, folder: str, rows: int, chosen: str = "") -> Found:
    """Return the labels in a group where they lie beside the rows; None where there are none.

    Parameters
    ----------
    folder
        The group that holds the rows, or what is known about each of them.
    rows
        How many labels there have to be; a vector of another length is something else.
    chosen
        The dataset of the rows themselves.
    """
    for name in _names(file, folder):
        inner = f"{folder}/{name}".strip("/")
        if inner == chosen.strip("/") or not _has_length(file, inner, rows):
            continue
        source = file.where(inner)
        try:
            values = column(file, inner)
        except InputError as error:
            return None, (f"labels are left out: {error}",)
        if values.size == rows:
            return values.reshape(-1), (f"{source} is taken as the labels y",)
    return None, ()


def column(file: nodes.File, inner: str) -> NDArray[Any]:
    """Return the column at `inner`; text is empty where a value is missing.

    Raises
    ------
    InputError
        When it is not there, cannot be read, or lacks numbers.
    """
    item = file.find(inner)
    source = file.where(inner)
    if isinstance(item, nodes.Group):
        return _of_group(file, inner)
    if isinstance(item, nodes.Dataset):
        netcdf.check_plain(item)
    values = reading.optional_array(file, inner)
    if values is None:
        raise InputError(f"{source}: is not in the file; give FILE::/PATH of the labels")
    folder, _, name = inner.strip("/").rpartition("/")
    categories = reading.optional_array(file, f"{folder}/{OLD_CATEGORIES}/{name}")
    return values if categories is None else _chosen(categories, values, source)


def _names(file: nodes.File, folder: str) -> list[str]:
    try:
        group = file.find(folder)
        names = [] if not isinstance(group, nodes.Group) else guard.names_in(group)
    except InputError:
        return []  # rows are no worse for what lies beside them
    return named_as_labels(names)


def _has_length(file: nodes.File, inner: str, rows: int) -> bool:
    """Whether there is a vector of so many values, or a group that may be a column."""
    try:
        item = file.find(inner)
    except InputError:
        return False
    shapes = ((rows,), (rows, 1), (1, rows))
    return isinstance(item, nodes.Group) or (item is not None and item.shape in shapes)


def _of_group(file: nodes.File, inner: str) -> NDArray[Any]:
    source = file.where(inner)
    codes, categories, values, mask = (
        reading.optional_array(file, f"{inner}/{name}")
        for name in ("codes", "categories", "values", "mask")
    )
    if codes is not None and categories is not None:
        return _chosen(categories, codes, source)
    if values is not None and mask is not None and values.shape == mask.shape:
        return _chosen(values, np.where(mask, -1, np.arange(len(values))), source)
    raise InputError(
        f"{source}: is a group and no column of AnnData's; give FILE::/PATH of a vector"
    )


def _chosen(categories: NDArray[Any], codes: NDArray[Any], source: str) -> NDArray[Any]:
    """Return the category of each code; −1 stands for a missing value.

    Raises
    ------
    InputError
        For codes that name no category, and where numbers are missing.
    """
    if categories.ndim != 1 or codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise InputError(f"{source}: has codes that are no list of integers; write it again")
    if len(codes) and not (codes.min() >= -1 and codes.max() < len(categories)):
        raise InputError(
            f"{source}: has codes outside its {len(categories)} categories; write it again"
        )
    if categories.dtype.kind == "U":
        limits.check_text(categories.dtype.itemsize // 4, len(codes), source)
        categories = np.append(categories, "")
    elif (codes == -1).any():
        raise InputError(f"{source}: lacks some of its numbers; fill them, or save it as text")
    found: NDArray[Any] = categories[codes]
    return found
