"""The format of an output follows from the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import h5py
from numpy.typing import DTypeLike, NDArray

from gpuae.errors import OutputError
from gpuae.storage import file_format
from gpuae.storage.file_format import Attribute
from gpuae.storage.kinds.row_metadata import write_row_metadata
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.outputs.table_output import FOREIGN, TableContent, TableOutput, is_table
from gpuae.storage.rows.metadata import RowMetadata

NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})

Output: TypeAlias = RowsOutput | TableOutput
"""A new file that is filled by blocks of rows."""


def check_hdf5_name(path: Path, what: str) -> None:
    """Refuse an ending of another format for what is only written as HDF5.

    Raises
    ------
    OutputError
        Naming the ending.
    """
    if path.suffix.lower() in FOREIGN:
        raise OutputError(f"{path}: {what} is HDF5, not {path.suffix}; end the name in .h5")


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Return names for columns that have none."""
    return tuple(f"{prefix}_{column}" for column in range(count))


def rows_output(
    path: Path,
    kind: str,
    inner: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    names: tuple[str, ...],
    beside: RowMetadata,
    force: bool,
    attributes: Mapping[str, Attribute],
    resume: bool | None = None,
    also: Mapping[str, NDArray[Any]] = NOTHING,
) -> Output:
    """Return the output for rows of `shape` (n, k) or (n,): a table, or HDF5.

    Parameters
    ----------
    inner
        Where in HDF5 the rows lie.
    names
        What the columns are called in a table.
    resume
        As of `RowsOutput`.
    also
        Small arrays that HDF5 has too, by their paths.

    Raises
    ------
    OutputError
        For a table that is to be resumed, and for formats that are not written.
    """
    if is_table(path):
        if resume:
            raise OutputError(
                f"{path}: a table is always written from its beginning; leave --resume out, or "
                "write HDF5 (.h5), which can go on"
            )
        content = TableContent(kind, names, beside, attributes)
        return TableOutput(path, shape, dtype, content, force=force)

    def build(file: h5py.File) -> None:
        file_format.write_root(file, kind, attributes)
        write_row_metadata(file, inner, beside)
        for name, values in also.items():
            file[name] = values

    return RowsOutput(path, inner, shape, dtype, build, force=force, resume=resume)
