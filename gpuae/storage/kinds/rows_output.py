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
from gpuae.storage.outputs.endings import is_table
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.outputs.late_hashes import LateAttributes
from gpuae.storage.outputs.named_rows import NamedRows
from gpuae.storage.outputs.table_content import TableContent
from gpuae.storage.outputs.table_output import TableOutput
from gpuae.storage.rows.metadata import RowMetadata

NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})

Output: TypeAlias = RowsOutput | TableOutput | NamedRows
"""A new file that is filled by blocks of rows."""
Attributes: TypeAlias = Mapping[str, Attribute] | LateAttributes
"""Root attributes of a new file."""


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Return names for columns that have none."""
    return tuple(f"{prefix}_{column}" for column in range(count))


def rows_output(
    path: Path,
    kind: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    names: tuple[str, ...],
    metadata: RowMetadata,
    *,
    force: bool,
    attributes: Attributes,
    resume: bool | None = None,
    also: Mapping[str, NDArray[Any]] = NOTHING,
) -> Output:
    """Return the output of a kind for rows of `shape` (n, k) or (n,): a table, or HDF5.

    Parameters
    ----------
    names
        What the columns are called in a table.
    metadata
        What is known about the rows.
    attributes
        Further root attributes.
    resume
        See `RowsOutput`.
    also
        Small arrays that HDF5 holds as well, by their paths.

    Raises
    ------
    OutputError
        For a table that is to be resumed, and for formats that are not written.
    """
    late = attributes if isinstance(attributes, LateAttributes) else LateAttributes(attributes)
    if is_table(path):
        if resume:
            raise OutputError(
                f"{path}: a table is always written from its beginning; leave --resume out, or "
                "write HDF5 (.h5), which can go on"
            )
        content = TableContent(kind, names, metadata, late)
        return TableOutput(path, shape, dtype, content, force=force)
    inner = file_format.rows_of(kind).path

    def build(file: h5py.File) -> None:
        file_format.write_root(file, kind, late.values)
        write_row_metadata(file, inner, metadata)
        for name, values in also.items():
            file[name] = values

    return RowsOutput(
        path, inner, shape, dtype, build, force=force, resume=resume, late=late.hashes
    )
