"""Parquet, through pyarrow, which is an extra: numeric columns are the features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.columns import Titles
from gpuae.importers.counters import counter_notes
from gpuae.importers.options import AS_IT_IS, ReadOptions
from gpuae.importers.roles import Roles, assign
from gpuae.memory import data_memory
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.limits import check_memory
from gpuae.storage.outputs.arrow import arrow_errors, check_installed
from gpuae.storage.rows import row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.pages import release_pages
from gpuae.words import listed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BLOCK_BYTES = 8 << 20
READ_AHEAD_BYTES, LEAST_READ = 32 << 20, 4096
"""Of all columns together, and of each: pyarrow would hold the whole file otherwise."""
LARGEST_LIMIT = (1 << 31) - 1
"""Of texts and lists in what describes a file: pyarrow takes no larger ones."""


@dataclass(frozen=True)
class NamedTitles(Titles):
    """Columns that all have names, each another one."""

    names: tuple[str, ...]


def load(file: InputFile, options: ReadOptions = AS_IT_IS, memory: int | None = None) -> Dataset:
    """Return the numeric columns of a parquet file as rows, others at most as labels or row ids.

    They are read in parts, of which a page of each column is in memory, as whoever wrote the file
    made it. Integers that lack values become floats.

    Parameters
    ----------
    memory
        Bytes of rows that may be in memory; more are in a file without a name, which is mapped.
        None for as many as suit this machine.

    Raises
    ------
    InputError
        Where pyarrow is missing; for damaged files, columns that are not there or hold no numbers,
        or values that are missing (unless they may be).
    """
    path = file.path
    check_installed(path, InputError)
    most = data_memory(None) if memory is None else memory
    with _opened(file) as opened:
        titles, types = _columns(path, opened)
        roles = assign(titles, options)
        features = _features(titles, types, roles)
        names = tuple(titles.names[column] for column in features)
    with _opened(file, columns=len(names)) as opened:
        x = _matrix(opened, file, list(names), options, most)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=_companion(file, titles, types, roles.label),
            feature_names=names,
            row_id=_companion(file, titles, types, roles.row_id),
        ),
        file=file,
        notes=(*roles.notes, *_left_out(titles, roles, features), *counters),
    )


@contextmanager
def _opened(
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


def _columns(path: Path, file: pq.ParquetFile) -> tuple[NamedTitles, list[pa.DataType]]:
    """Return names and types of all columns."""
    fields = list(file.schema_arrow)
    names = tuple(field.name for field in fields)
    if len(set(names)) < len(names):
        raise InputError(f"{path}: some of its columns have the same name; rename them")
    return NamedTitles(str(path), len(names), names), [field.type for field in fields]


def _features(titles: NamedTitles, types: list[pa.DataType], roles: Roles) -> tuple[int, ...]:
    """Return the columns of features: those that hold numbers, and no others that were asked for.

    Raises
    ------
    InputError
        For a column that was asked for and holds something else, and where none is left.
    """
    chosen = roles.features()
    for column in chosen:
        if column in roles.requested and _number_type(types[column]) is None:
            raise InputError(
                f"{titles.source}: the column {titles.names[column]!r} holds {types[column]}, not "
                "numbers; choose other columns by --columns"
            )
    numeric = tuple(column for column in chosen if _number_type(types[column]) is not None)
    if not numeric:
        raise InputError(f"{titles.source}: has no column of numbers that could be a feature")
    return numeric


def _left_out(titles: NamedTitles, roles: Roles, features: tuple[int, ...]) -> tuple[str, ...]:
    """Say which columns are no features for want of numbers."""
    names = [titles.names[c] for c in roles.features() if c not in features]
    if not names:
        return ()
    return (f"left out, because they hold no numbers: {listed(names)}",)


def _number_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return in which type the numbers of a column are kept; None where it holds none."""
    from pyarrow import types

    if types.is_decimal(kind):
        return np.dtype(np.float64)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return row_types.stored_type(np.dtype(kind.to_pandas_dtype()), str(kind))
    return None


def _matrix(
    opened: pq.ParquetFile, file: InputFile, names: list[str], options: ReadOptions, memory: int
) -> NDArray[Any]:
    """Return some columns as (n, d), some rows in memory at a time beside them.

    They are in memory if they take no more bytes than that, and else in a file without a name.
    """
    shape = opened.metadata.num_rows, len(names)
    dtype = _common_type(opened, names)
    _check_declared(file, shape, dtype)
    missing = _Missing(file.path)
    with scratch(shape, dtype.name, memory) as x:
        start = 0
        for table in _tables(opened, names, dtype):
            if start + len(table) > len(x):
                break
            _fill_rows(file.path, x[start : start + len(table)], table, missing, start)
            release_pages(x)
            start += len(table)
    if start != len(x):
        raise InputError(f"{file}: holds another number of rows than it declares; make it again")
    if not options.missing:
        missing.refuse()
    return x


def _common_type(opened: pq.ParquetFile, names: list[str]) -> np.dtype[Any]:
    """Return the type that holds some columns, and NaN where they may lack values."""
    lacking = _lacking(opened, names)
    kinds = []
    for name in names:
        kind = _number_type(opened.schema_arrow.field(name).type)
        assert kind is not None
        small = kind.kind != "f" and kind.itemsize <= 2
        filled = np.float32 if small else np.float64
        kinds.append(np.result_type(kind, filled) if name in lacking else kind)
    return np.result_type(*kinds)


def _check_declared(file: InputFile, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """Refuse rows that cannot be so many as is said."""
    row_types.check_row_shape(shape, str(file))
    declared, allowed = shape[0] * shape[1] * dtype.itemsize, limits.current()
    if declared > max(allowed.free_bytes, allowed.inflation * file.size):
        raise InputError(
            f"{file}: declares {declared / 2**20:.0f} MiB in a file of {file.size} bytes; if that "
            f"is right, save it without compression, or {limits.ADVICE}"
        )


def _tables(opened: pq.ParquetFile, names: list[str], dtype: np.dtype[Any]) -> Iterator[pa.Table]:
    """Yield some columns, some rows at a time."""
    import pyarrow

    rows = max(1, BLOCK_BYTES // (len(names) * dtype.itemsize))
    for batch in opened.iter_batches(batch_size=rows, columns=names):
        yield pyarrow.Table.from_batches([batch]).select(names)


def _fill_rows(
    path: Path, out: NDArray[Any], table: pa.Table, missing: _Missing, start: int
) -> None:
    """Write the rows of a table, of which the first has that place in the file."""
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        missing.count(column, name, start)
        _fill(path, name, out[:, place], column)


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


def _fill(path: Path, name: str, out: NDArray[Any], column: pa.ChunkedArray) -> None:
    """Write the values of a column, NaN for those that are missing; none of them is rounded."""
    from pyarrow import types

    if column.null_count and out.dtype.kind != "f":
        raise InputError(f"{path}: lacks values that it declares to be there; make it again")
    if types.is_boolean(column.type):
        column = column.cast("uint8")
    elif types.is_decimal(column.type):
        column = column.cast("float64")
    elif types.is_integer(column.type) and not row_types.survive(
        column.drop_null().to_numpy(), out.dtype
    ):
        raise InputError(
            f"{path}: the column {name!r} holds integers that {out.dtype} would round, which the "
            "rows are in for other columns' or missing values' sake; leave it out by --columns"
        )
    out[:] = column.to_numpy()


class _Missing:
    """Counts values that are missing and remembers the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._first = ""

    def count(self, column: pa.ChunkedArray, name: str, start: int) -> None:
        """Look at some values of a column, of which the first is in row `start`."""
        if column.null_count and not self._count:
            row = start + 1 + int(np.argmax(column.is_null().to_numpy()))
            self._first = f"column {name!r}, row {row}"
        self._count += column.null_count

    def refuse(self) -> None:
        """Refuse them if there are any."""
        if self._count:
            raise InputError(
                f"{self._path}: {self._count} values are missing, the first in {self._first}; fill "
                "or remove them, or fit with missing=mean"
            )


def _companion(
    file: InputFile, titles: NamedTitles, types: list[pa.DataType], number: int | None
) -> NDArray[Any] | None:
    """Return the labels or row ids in a column: numbers where they survive as such, or text."""
    from pyarrow import types as kinds

    if number is None:
        return None
    name, kind = titles.names[number], types[number]
    if kinds.is_nested(kind) or kinds.is_binary(kind) or kinds.is_large_binary(kind):
        raise InputError(
            f"{file}: the column {name!r} holds {kind} where numbers or text are needed"
        )
    text = kinds.is_string(kind) or kinds.is_large_string(kind)
    with _opened(file, (name,) if text else ()) as opened:
        check_memory(8 * opened.metadata.num_rows, str(file))
        column = opened.read(columns=[name]).column(name)
        if _survives_as_number(kind, column.null_count):
            return np.array(row_types.as_stored(np.asarray(column.to_numpy()), f"{file}: {name}"))
        return _text(file.path, name, column)


def _survives_as_number(kind: pa.DataType, missing: int) -> bool:
    """Whether labels or ids of a type can be kept as numbers: with nulls only floats can."""
    from pyarrow import types

    whole = types.is_integer(kind) or types.is_boolean(kind)
    return types.is_floating(kind) or (whole and not missing)


def _text(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column as text (n,), empty where a value is missing."""
    from pyarrow import types

    column.validate(full=True)  # indices that name no word would be read beyond the end
    if not types.is_dictionary(column.type):
        column = column.cast("large_string").dictionary_encode()
    unified = column.unify_dictionaries().combine_chunks()
    parts = unified.chunks if hasattr(unified, "chunks") else [unified]
    words = [] if not parts else [str(word) for word in parts[0].dictionary.to_pylist()]
    longest = max(map(len, words), default=1)
    limits.check_text(longest, len(column), f"{path}: the column {name!r}")
    known = np.array([*words, ""], dtype=f"U{max(1, longest)}")
    indices = [part.indices.fill_null(len(words)).to_numpy() for part in parts]
    texts: NDArray[Any] = known[np.concatenate(indices)]
    return texts
