"""Several files as one matrix: the rows of each below those of the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.options import ReadOptions
from gpuae.storage.files.many_files import ManyFiles, Part
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.categorical import Categorical, CategoricalColumn, check_count, widths
from gpuae.storage.rows.concatenated import ConcatenatedRows
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.pages import is_in_memory
from gpuae.words import SHOWN, counted

OpenPart = Callable[[Part, int, ReadOptions], Dataset]
"""Opens one file with so many bytes of rows in memory."""


def load(files: ManyFiles, options: ReadOptions, memory: int, open_part: OpenPart) -> Dataset:
    """Return the rows of several files, in their order, with the columns of the first.

    Columns with names are found by name in each file. Labels and row ids are kept where every file
    has them.

    Parameters
    ----------
    memory
        Bytes of rows that may be in memory; more stay in their files.

    Raises
    ------
    InputError
        Naming the first file that cannot be read or differs from the others.
    """
    parts = _opened(files, options, memory, open_part)
    shared = _shared(parts, options)
    if shared != options:
        parts.clear()  # or their rows would be in memory twice
        parts = _opened(files, shared, memory, open_part)
    rows = ConcatenatedRows([part.x for part in parts], [part.source for part in parts])
    told = dict.fromkeys(note for part in parts for note in part.notes)
    metadata, lacking = _joined_metadata(parts)
    return Dataset(
        row_blocks.load_if_small(rows, memory),
        str(files) if files.inner is None else f"{files}::{files.inner}",
        metadata,
        file=files,
        notes=(_order(files), *told, *lacking),
        weights=_column(parts, "weights"),
    )


def _opened(
    files: ManyFiles, options: ReadOptions, memory: int, open_part: OpenPart
) -> list[Dataset]:
    """Open all files, the later ones for the columns of the first."""
    parts: list[Dataset] = []
    left, wanted = memory, options
    for part in files.parts:
        opened = open_part(part, left, wanted)
        if not parts:
            wanted = _as_first(opened, options)
        else:
            _check_columns(parts[0], opened)
        parts.append(opened)
        left -= _bytes_held(opened)
    return parts


def _shared(parts: Sequence[Dataset], options: ReadOptions) -> ReadOptions:
    """Return how all files are read if they are to have the same types and categories."""
    together = _all_categories(parts)
    if any(part.categorical != together for part in parts):
        options = replace(options, known=together)
    return replace(options, wide=True) if _are_rounded(parts) else options


def _all_categories(parts: Sequence[Dataset]) -> Categorical:
    """Return the columns of categories with the values that any file has in them."""
    values: dict[str, set[str]] = {}
    for part in parts:
        for column in part.categorical:
            values.setdefault(column.name, set()).update(column.values)
            check_count(len(values[column.name]), column.name, part.source)
    return tuple(CategoricalColumn(name, tuple(sorted(own))) for name, own in values.items())


def _numbers(opened: Dataset) -> int:
    """Return how many columns are none of categories."""
    columns: int = opened.x.shape[1]
    return columns - sum(widths(opened.categorical))


def _names(opened: Dataset) -> tuple[str, ...] | None:
    """Return the names of the columns that are none of categories."""
    names = opened.feature_names
    return names and names[: _numbers(opened)]


def _as_first(first: Dataset, options: ReadOptions) -> ReadOptions:
    """Return how the later files are read: for the columns that the first has, by their names."""
    if options.names is not None or first.feature_names is None:
        return options
    return replace(options, columns=None, names=_names(first), names_of=first.source)


def _check_columns(first: Dataset, other: Dataset) -> None:
    """Refuse a file whose columns are not those of the first."""
    if _numbers(other) != _numbers(first):
        raise InputError(
            f"{other.source}: has {counted(_numbers(other), 'column')} and {first.source} has "
            f"{_numbers(first)}; give files of the same columns"
        )
    names, known = _names(other), _names(first)
    if (names is None) != (known is None):
        nameless, named = (other, first) if names is None else (first, other)
        raise InputError(
            f"{other.source}: cannot be joined to {first.source}, for the columns of "
            f"{nameless.source} have no names and those of {named.source} have; give files of one "
            "kind"
        )
    if names is not None and known is not None and names != known:
        column = next(place for place, own in enumerate(names) if own != known[place])
        raise InputError(
            f"{other.source}: its column {column + 1} is {names[column]!r} and that of "
            f"{first.source} is {known[column]!r}; give files of the same columns"
        )


def _bytes_held(opened: Dataset) -> int:
    rows, columns = opened.x.shape
    return rows * columns * opened.x.dtype.itemsize if is_in_memory(opened.x) else 0


def _are_rounded(parts: Sequence[Dataset]) -> bool:
    """Whether numbers of text are in float32 in some files, which holds not those of others.

    In float64 the nearest float32 to 0.1 is another number than 0.1.
    """
    kinds = {part.x.dtype for part in parts}
    return len(kinds) > 1 and np.dtype(np.float32) in kinds and _common(kinds) == np.float64


def _common(kinds: set[np.dtype[Any]]) -> np.dtype[Any]:
    return np.result_type(*kinds)


def _joined_metadata(parts: Sequence[Dataset]) -> tuple[RowMetadata, tuple[str, ...]]:
    """Return what is known about the rows of all files, and what was left out as it is not."""
    shapes = {part.image_shape for part in parts}
    y, row_id = _column(parts, "y"), _column(parts, "row_id")
    metadata = RowMetadata(
        y=y,
        row_id=row_id,
        feature_names=parts[0].feature_names,
        categorical=parts[0].categorical,
        image_shape=shapes.pop() if len(shapes) == 1 else None,
    )
    return metadata, tuple(_lacking(parts))


def _column(parts: Sequence[Dataset], name: str) -> NDArray[Any] | None:
    """Return the labels, row ids or weights of all files; None where some have none.

    Numbers become text where other files have text.
    """
    found = [getattr(part, name) for part in parts]
    if any(values is None for values in found):
        return None
    if len({values.dtype.kind in "US" for values in found}) > 1:
        found = [values.astype(str) for values in found]
    return np.concatenate(found)


def _lacking(parts: Sequence[Dataset]) -> Iterator[str]:
    """Say which labels or ids are left out for want of others."""
    for name, what in (("y", "labels"), ("row_id", "row ids")):
        having = [getattr(part, name) is not None for part in parts]
        if any(having) and not all(having):
            without = parts[having.index(False)].source
            yield f"the {what} are left out, for {without} has none"


def _order(files: ManyFiles) -> str:
    names = [part.file.name for part in files.parts]
    if len(names) == 1:
        return f"{files} is one file: {names[0]}"
    shown = names if len(names) <= SHOWN else [*names[:2], "…", names[-1]]
    return f"{len(names)} files are taken as one matrix, in this order: {', '.join(shown)}"
