"""A parquet file opened by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import arrow_errors

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


class ParquetColumns:
    """A `ColumnFile` of parquet.

    Raises
    ------
    InputError
        When it cannot be read.
    """

    what = "parquet"
    notes: tuple[str, ...] = ()

    def __init__(self, file: InputFile) -> None:
        self.file = file
        with open_parquet(file) as opened:
            fields = list(opened.schema_arrow)
            self.rows = opened.metadata.num_rows
        self.names = tuple(field.name for field in fields)
        self.types = [field.type for field in fields]

    def lacking(self, names: Sequence[str]) -> set[str]:
        """Return the columns that may lack values, as far as what describes the file says."""
        with open_parquet(self.file, columns=len(names)) as opened:
            return _lacking(opened, list(names))

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield some columns, so many rows at a time or fewer."""
        with open_parquet(self.file, columns=len(names)) as opened:
            yield from opened.iter_batches(batch_size=rows, columns=list(names))

    def column(self, name: str, *, text: bool) -> pa.ChunkedArray:
        """Return one column, of texts as numbers into a list of the different ones."""
        with open_parquet(self.file, (name,) if text else ()) as opened:
            return opened.read(columns=[name]).column(name)


def _lacking(file: pq.ParquetFile, names: list[str]) -> set[str]:
    """Return the columns that may lack values, as far as what describes the file says.

    A row of each row group is read first: that raises what is wrong with its description, where
    looking at the description alone would end the process (pyarrow 26 was examined).
    """
    found = set()
    for group in range(file.num_row_groups):
        next(file.iter_batches(batch_size=1, row_groups=[group], columns=names), None)
        chunks = file.metadata.row_group(group)
        for number in range(chunks.num_columns):
            if file.schema.column(number).path not in names:
                continue
            chunk = chunks.column(number)
            known = chunk.statistics is not None and chunk.statistics.has_null_count
            if not known or chunk.statistics.null_count:
                found.add(chunk.path_in_schema)
    required = {field.name for field in file.schema_arrow if not field.nullable}
    return found - required
