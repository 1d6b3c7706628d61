"""Labels and row ids out of a column of parquet or Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.column_file import ColumnFile
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.outputs.arrow import arrow_errors
from gpuae.storage.rows import row_types

if TYPE_CHECKING:
    import pyarrow as pa


def labels(columns: ColumnFile, number: int | None) -> NDArray[Any] | None:
    """Return the labels or row ids in a column: numbers where they survive as such, or text."""
    from pyarrow import types as kinds

    if number is None:
        return None
    file, name, kind = columns.file, columns.names[number], columns.types[number]
    _check_readable(file, name, kind)
    text = kinds.is_string(kind) or kinds.is_large_string(kind)
    with arrow_errors(str(file), columns.what):
        limits.check_memory(8 * columns.rows, str(file))
        column = columns.column(name, text=text)
        if _survives_as_number(kind, column.null_count):
            return np.array(row_types.as_stored(np.asarray(column.to_numpy()), f"{file}: {name}"))
        return _text(file.path, name, column)


def texts(columns: ColumnFile, number: int) -> NDArray[Any]:
    """Return a column as text (n,), empty where a value is missing."""
    from pyarrow import types as kinds

    file, name, kind = columns.file, columns.names[number], columns.types[number]
    _check_readable(file, name, kind)
    text = kinds.is_string(kind) or kinds.is_large_string(kind)
    with arrow_errors(str(file), columns.what):
        limits.check_memory(8 * columns.rows, str(file))
        return _text(file.path, name, columns.column(name, text=text))


def _check_readable(file: InputFile, name: str, kind: pa.DataType) -> None:
    """Refuse a column that is neither of numbers nor of text."""
    from pyarrow import types as kinds

    if kinds.is_nested(kind) or kinds.is_binary(kind) or kinds.is_large_binary(kind):
        raise InputError(
            f"{file}: the column {name!r} holds {kind} where numbers or text are needed"
        )


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
