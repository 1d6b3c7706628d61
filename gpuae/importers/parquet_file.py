"""A parquet file opened by pyarrow, and which of its columns hold numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import arrow_errors
from gpuae.storage.rows import row_types

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

READ_AHEAD_BYTES, LEAST_READ = 32 << 20, 4096
"""Of all columns together, and of each: pyarrow would hold the whole file otherwise."""
LARGEST_LIMIT = (1 << 31) - 1
"""Of texts and lists in what describes a file: pyarrow takes no larger ones."""


@contextmanager
def open_parquet(
    file: InputFile, texts: tuple[str, ...] = (), columns: int = 1
) -> Iterator[pq.ParquetFile]:
    """Open a file for reading so many columns side by side.

    The columns `texts` are read as numbers into a list of their different texts: so a long text in
    millions of rows takes no more memory than it does in the file.
    """
    import pyarrow.parquet as pq

    most = min(limits.current().description_bytes, LARGEST_LIMIT)
    options: dict[str, Any] = {
        "thrift_string_size_limit": most,
        "thrift_container_size_limit": most,
        "buffer_size": max(LEAST_READ, READ_AHEAD_BYTES // columns),
        "pre_buffer": False,
    }
    with (
        arrow_errors(str(file)),
        pq.ParquetFile(file.stream(), read_dictionary=list(texts), **options) as opened,
    ):
        yield opened


def number_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return in which type the numbers of a column are kept; None where it holds none."""
    from pyarrow import types

    if types.is_decimal(kind):
        return np.dtype(np.float64)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return row_types.stored_type(np.dtype(kind.to_pandas_dtype()), str(kind))
    return None
