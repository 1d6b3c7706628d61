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
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.limits import check_memory
from gpuae.storage.outputs.arrow import arrow_errors, check_installed
from gpuae.storage.rows import row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.words import listed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FOOTER_LIMIT = 64 << 20
"""Bytes of any one text, and entries of any one list, in what describes the file."""


@dataclass(frozen=True)
class NamedTitles(Titles):
    """Columns that all have names, each another one."""

    names: tuple[str, ...]


def load(file: InputFile, options: ReadOptions = AS_IT_IS, memory: int | None = None) -> Dataset:
    """Return the numeric columns of a parquet file as rows, others at most as labels or row ids.

    Row groups are read one after the other. Integers that lack values become floats.

    Raises
    ------
    InputError
        Where pyarrow is missing; for damaged files, columns that are not there or hold no numbers,
        values that are missing (unless they may be), and more data than memory.
    """
    path = file.path
    check_installed(path, InputError)
    with _opened(path) as opened:
        titles, types = _columns(path, opened)
        roles = assign(titles, options)
        features = _features(titles, types, roles)
        names = tuple(titles.names[column] for column in features)
        x = _matrix(path, opened, list(names), options)
    counters = counter_notes(x, names, [column in roles.requested for column in features])
    return Dataset(
        x,
        str(path),
        metadata=RowMetadata(
            y=_companion(path, titles, types, roles.label),
            feature_names=names,
            row_id=_companion(path, titles, types, roles.row_id),
        ),
        file=file,
        notes=(*roles.notes, *_left_out(titles, roles, features), *counters),
    )


@contextmanager
def _opened(path: Path, texts: tuple[str, ...] = ()) -> Iterator[pq.ParquetFile]:
    """Open a file; `texts` are columns to be read as numbers into a list of their different texts.

    So a long text in millions of rows takes no more memory than it does in the file.
    """
    import pyarrow.parquet as pq

    limits = {f"thrift_{kind}_size_limit": FOOTER_LIMIT for kind in ("string", "container")}
    with (
        arrow_errors(str(path)),
        pq.ParquetFile(path, read_dictionary=list(texts), **limits) as file,
    ):
        yield file


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
    path: Path, file: pq.ParquetFile, names: list[str], options: ReadOptions
) -> NDArray[Any]:
    """Return some columns as (n, d), a row group in memory at a time beside them."""
    x = _allocated(path, file, names)
    start, missing = 0, _Missing(path)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=names)
        if start + len(table) > len(x):
            break
        for place, name in enumerate(names):
            column = table.column(name)
            missing.count(column, name, start)
            _fill(path, name, x[start : start + len(table), place], column)
        start += len(table)
    if start != len(x):
        raise InputError(f"{path}: holds another number of rows than it declares; make it again")
    if not options.missing:
        missing.refuse()
    return x


def _allocated(path: Path, file: pq.ParquetFile, names: list[str]) -> NDArray[Any]:
    """Return an empty matrix for some columns after having checked that they can be so large."""
    rows, fields = file.metadata.num_rows, file.schema_arrow
    lacking = _lacking(file, names)
    kinds = []
    for name in names:
        kind = _number_type(fields.field(name).type)
        assert kind is not None
        small = kind.kind != "f" and kind.itemsize <= 2
        filled = np.float32 if small else np.float64
        kinds.append(np.result_type(kind, filled) if name in lacking else kind)
    dtype = np.result_type(*kinds)
    row_types.check_row_shape((rows, len(names)), str(path))
    declared, size = rows * len(names) * dtype.itemsize, path.stat().st_size
    allowed = limits.current()
    if declared > max(allowed.free_bytes, allowed.inflation * size):
        raise InputError(
            f"{path}: declares {declared / 2**20:.0f} MiB in a file of {size} bytes; if that is "
            f"right, save it without compression, or {limits.ADVICE}"
        )
    check_memory(declared, str(path))
    return np.empty((rows, len(names)), dtype)


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
    path: Path, titles: NamedTitles, types: list[pa.DataType], number: int | None
) -> NDArray[Any] | None:
    """Return the labels or row ids in a column: numbers where they survive as such, or text."""
    from pyarrow import types as kinds

    if number is None:
        return None
    name, kind = titles.names[number], types[number]
    if kinds.is_nested(kind) or kinds.is_binary(kind) or kinds.is_large_binary(kind):
        raise InputError(
            f"{path}: the column {name!r} holds {kind} where numbers or text are needed"
        )
    text = kinds.is_string(kind) or kinds.is_large_string(kind)
    with _opened(path, (name,) if text else ()) as file:
        check_memory(8 * file.metadata.num_rows, str(path))
        column = file.read(columns=[name]).column(name)
        if _survives_as_number(kind, column.null_count):
            return np.array(row_types.as_stored(np.asarray(column.to_numpy()), f"{path}: {name}"))
        return _text(path, name, column)


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
        column = column.cast("string").dictionary_encode()
    unified = column.unify_dictionaries().combine_chunks()
    parts = unified.chunks if hasattr(unified, "chunks") else [unified]
    words = [] if not parts else [str(word) for word in parts[0].dictionary.to_pylist()]
    longest = max(map(len, words), default=1)
    limits.check_text(longest, len(column), f"{path}: the column {name!r}")
    known = np.array([*words, ""], dtype=f"U{max(1, longest)}")
    indices = [part.indices.fill_null(len(words)).to_numpy() for part in parts]
    texts: NDArray[Any] = known[np.concatenate(indices)]
    return texts
