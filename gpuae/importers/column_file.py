"""Files of columns with names and types, which parquet and Arrow are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_types

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnFile(Protocol):
    """A file of columns that pyarrow reads.

    Attributes
    ----------
    what
        The name of the format.
    names, types
        Of all columns.
    rows
        How many there are, as the file says.
    notes
        What a person should hear of, one sentence each.
    """

    file: InputFile
    what: str
    names: tuple[str, ...]
    types: list[pa.DataType]
    rows: int
    notes: tuple[str, ...]

    def lacking(self, names: Sequence[str]) -> set[str]:
        """Return which of some columns may lack values."""
        ...

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield some columns, so many rows at a time or fewer."""
        ...

    def column(self, name: str, *, text: bool) -> pa.ChunkedArray:
        """Return one column, of texts as numbers into a list of the different ones if can be."""
        ...


def number_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return in which type the numbers of a column are kept; None where it holds none."""
    from pyarrow import types

    if types.is_decimal(kind):
        return np.dtype(np.float64)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return row_types.stored_type(np.dtype(kind.to_pandas_dtype()), str(kind))
    return None
