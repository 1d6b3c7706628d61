"""Rows written to parquet, a row group at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gpuae.storage import file_format
from gpuae.storage.outputs.sequential_file import SequentialFile
from gpuae.storage.outputs.table_content import TableContent, columns_of

GROUP_BYTES = 32 << 20
"""Rows are gathered up to this size before they are written."""


class ParquetWriter:
    """One column for each column of the rows; the root attributes of HDF5 are its metadata."""

    def __init__(self, file: SequentialFile, dtype: np.dtype[Any], content: TableContent) -> None:
        self._leading = {name: pa.array(values) for name, values in content.leading.items()}
        self._gathered: list[NDArray[Any]] = []
        self._gathered_bytes = 0
        self._start = 0
        fields = [pa.field(name, values.type) for name, values in self._leading.items()]
        fields += [pa.field(name, _type(dtype, name)) for name in content.names]
        attributes = file_format.root_values(content.kind, content.attributes.complete())
        metadata = {name: str(value) for name, value in attributes.items()}
        self._schema = pa.schema(fields, metadata)
        self._writer = pq.ParquetWriter(file, self._schema)

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write rows (m, k), later, when there are more of them."""
        self._gathered.append(rows)
        self._gathered_bytes += rows.nbytes
        if self._gathered_bytes >= GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Write the last row group and what readers look for at the end."""
        if self._gathered:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        rows = np.concatenate(self._gathered)
        own = [values[self._start : self._start + len(rows)] for values in self._leading.values()]
        columns = [pa.array(column) for column in columns_of(rows)]
        table = pa.Table.from_arrays([*own, *columns], schema=self._schema)
        self._writer.write_table(table, row_group_size=len(rows))
        self._start += len(rows)
        self._gathered, self._gathered_bytes = [], 0


def _type(dtype: np.dtype[Any], name: str) -> pa.DataType:
    """Return the type of a column of rows."""
    own = dtype[name] if dtype.fields else dtype
    return pa.string() if own.kind == "U" else pa.from_numpy_dtype(own)
