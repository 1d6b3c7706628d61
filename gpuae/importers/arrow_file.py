"""Arrow files (Feather of version 2) and streams, through pyarrow, by the rules for parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gpuae.errors import InputError
from gpuae.importers.arrow_messages import END_MAGIC, survey
from gpuae.importers.detect import ARROW_MAGICS
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.parquet import load_columns
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import arrow_errors, check_installed
from gpuae.storage.rows import lost_pages
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.pages import release_pages

if TYPE_CHECKING:
    import pyarrow as pa

FILE_MAGIC, _, FEATHER_1_MAGIC = ARROW_MAGICS


def load(file: InputFile, options: ReadOptions = AS_IT_IS, memory: int | None = None) -> Dataset:
    """Return the numeric columns of an Arrow file or stream as rows, as of a parquet file.

    Raises
    ------
    InputError
        As `parquet.load` says, and for Feather of version 1.
    """
    if file.head.startswith(FEATHER_1_MAGIC):
        raise InputError(
            f"{file}: is a Feather file of version 1; write it again with pandas' to_feather or "
            "pyarrow.feather.write_feather, which write version 2"
        )
    check_installed(file.path, InputError, "Arrow")
    return load_columns(ArrowColumns(file), options, memory)


class ArrowColumns:
    """A `ColumnFile` of Arrow's, which is mapped: what is not packed is read in place.

    Raises
    ------
    InputError
        When it is cut short, damaged, or far larger when it is unpacked.
    """

    what = "Arrow"

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self._is_stream = not file.head.startswith(FILE_MAGIC)
        end = file.read(max(0, file.size - len(END_MAGIC)), len(END_MAGIC))
        if not self._is_stream and end != END_MAGIC:
            raise InputError(f"{file}: is cut short, it does not end as Arrow files do; copy it")
        found = survey(file, is_stream=self._is_stream)
        self.rows = found.rows
        unended = f"{file} ends without the mark of an end, so that rows may be missing after these"
        self.notes: tuple[str, ...] = () if found.is_ended else (unended,)
        with arrow_errors(str(file), self.what), self._opened() as reader:
            self.names = tuple(reader.schema.names)
            self.types = list(reader.schema.types)

    @contextmanager
    def _opened(self, names: Sequence[str] = ()) -> Iterator[Any]:
        """Open it for some columns; for none to look at its schema."""
        import pyarrow as pa

        places = [self.names.index(name) for name in names]
        content = np.memmap(cast("Any", self.file.stream()), np.uint8, "r")
        mapped = lost_pages.watch(content, str(self.file))
        source = pa.BufferReader(pa.py_buffer(mapped))
        options = pa.ipc.IpcReadOptions(included_fields=places)
        opening = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
        with opening(source, options=options) as reader:
            yield reader
        release_pages(mapped)

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as they are stored, once their buffers are known to hold them."""
        with self._opened(names) as reader:
            for batch in reader if self._is_stream else _batches(reader):
                lost_pages.check()
                batch.validate(full=True)
                yield batch

    def lacking(self, names: Sequence[str]) -> set[str]:
        """Return which of some columns lack values."""
        found = set()
        for batch in self._read(names):
            found |= {name for name in names if batch.column(name).null_count}
        return found

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield some columns, so many rows at a time or fewer."""
        for batch in self._read(names):
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def column(self, name: str, *, text: bool) -> pa.ChunkedArray:
        """Return one column."""
        import pyarrow as pa

        parts = [batch.column(name) for batch in self._read([name])]
        return pa.chunked_array(parts, self.types[self.names.index(name)])


def _batches(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file."""
    return map(reader.get_batch, range(reader.num_record_batches))
