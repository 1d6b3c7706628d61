"""Rows from whatever a person has: HDF5, idx, NumPy's files, tables of text, or the digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers import digits, idx, npy, parquet, table
from gpuae.importers.chosen import with_columns
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.importers.labels import load as load_labels
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.storage.dataset import Dataset, open_dataset

__all__ = ["ReadOptions", "open_data"]

TABLES = {Format.TABLE: table.load, Format.PARQUET: parquet.load}
"""Formats whose columns can be other things than features."""


def open_data(
    spec: str,
    labels: Path | None = None,
    memory: int | None = None,
    options: ReadOptions = AS_IT_IS,
) -> Dataset:
    """Open what a person calls DATA.

    Parameters
    ----------
    spec
        `digits`; or a file, recognised by its content: HDF5, idx (gzipped or not), .npy, .npz, or
        a table of text with a header. `file::name` chooses within HDF5 and .npz. `./digits` is a
        file of that name.
    labels
        A file with one label a row: idx, .npy, a table, HDF5, or `file.h5::/path`.
    memory
        Bytes of rows that are read into memory at once, where a format lets them be read by blocks
        instead; None for as many as suit this machine.
    options
        Which columns are taken, and as what.

    Raises
    ------
    InputError
        When there are no rows of numbers in it, or not one label for each.
    """
    dataset = _open(spec, memory, options)
    return dataset if labels is None else _with_labels(dataset, labels)


def _open(spec: str, memory: int | None, options: ReadOptions) -> Dataset:
    if spec == digits.NAME:
        return with_columns(digits.load(), options)
    path, inner = split_spec(spec)
    found = detect(path)
    if found in TABLES and inner is None:
        return TABLES[found](path, options)
    return with_columns(_open_matrix(path, inner, found, memory), options)


def _open_matrix(path: Path, inner: str | None, found: Format, memory: int | None) -> Dataset:
    if found is Format.HDF5:
        return open_dataset(path, inner, memory)
    if found is Format.NPZ:
        return npy.load_npz(path, inner)
    if inner is not None:
        raise InputError(f"{path}: has nothing to choose from by ::{inner}; give the file alone")
    return {Format.IDX: idx.load, Format.NPY: npy.load_npy}[found](path)


def _with_labels(dataset: Dataset, path: Path) -> Dataset:
    y = load_labels(path)
    if len(y) != len(dataset.x):
        raise InputError(
            f"{path}: holds {len(y)} labels for the {len(dataset.x)} rows of {dataset.source}; "
            "give exactly one a row"
        )
    return replace(dataset, y=y)
