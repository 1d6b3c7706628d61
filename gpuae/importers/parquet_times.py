"""Dates and times out of a column of parquet or Arrow, in seconds since the beginning of 1970."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.column_file import ColumnFile
from gpuae.importers.options import ReadOptions
from gpuae.importers.parquet_labels import texts
from gpuae.importers.times import check_there, seconds
from gpuae.storage.files import limits
from gpuae.storage.outputs.arrow import arrow_errors

if TYPE_CHECKING:
    import pyarrow as pa

UNITS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def seconds_of(columns: ColumnFile, number: int, options: ReadOptions) -> NDArray[np.float64]:
    """Return timestamps, dates or times in text as seconds (n,), NaN where values are missing.

    Raises
    ------
    InputError
        For a column of anything else, and as `times.seconds` says.
    """
    from pyarrow import types

    file, name, kind = columns.file, columns.names[number], columns.types[number]
    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        return seconds(texts(columns, number).tolist(), name, str(file.path), options)
    if not (types.is_timestamp(kind) or types.is_date(kind)):
        raise InputError(
            f"{file}: the column {name!r} holds {kind}, not dates or times; leave it out of --times"
        )
    with arrow_errors(str(file), columns.what):
        limits.check_memory(16 * columns.rows, str(file))
        column = columns.column(name, text=False)
    values = _since_1970(column)
    check_there(values, name, str(file.path), options)
    return values


def _since_1970(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return timestamps or dates as seconds; those without a zone are in UTC."""
    import pyarrow as pa

    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    counts, divisor = column.cast(pa.int64()), UNITS_A_SECOND[column.type.unit]
    values = counts.fill_null(0).to_numpy() / divisor
    values[column.is_null().to_numpy()] = np.nan
    return np.asarray(values, np.float64)
