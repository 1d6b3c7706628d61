"""Tables in memory, pandas' or polars' or arrays of objects, whose columns may hold categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.categories import categories
from gpuae.importers.joined_rows import TableColumns
from gpuae.importers.options import AS_IT_IS
from gpuae.memory import data_memory
from gpuae.model.model import Model
from gpuae.storage.rows.categorical import Categorical, member_names, places

AUTO = "auto"
"""Asks for every column that holds no numbers."""


@dataclass(frozen=True)
class Table:
    """Columns (n,) of any type.

    Attributes
    ----------
    names
        Of the columns; None where they have none.
    """

    columns: tuple[Any, ...]
    names: tuple[str, ...] | None

    @classmethod
    def of(cls, X: Any) -> Self:
        """Return the columns of a DataFrame, or of an array (n, d).

        Raises
        ------
        InputError
            For what has no two dimensions.
        """
        names = getattr(X, "columns", None)
        if names is not None:
            return cls(tuple(X[name] for name in names), tuple(map(str, names)))
        array = np.asarray(X)
        if array.ndim != 2:
            raise InputError(f"X: has shape {array.shape}; give rows and columns, or a DataFrame")
        return cls(tuple(array.T), None)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.columns[0]) if self.columns else 0

    def title(self, place: int) -> str:
        """Return the name of a column, or its number from 1 where it has none."""
        return self.names[place] if self.names else str(place + 1)

    def in_order(self, titles: Sequence[str]) -> Self:
        """Return the columns of these names; of columns without names all, if they are as many.

        Raises
        ------
        InputError
            For columns that are not there.
        """
        if self.names is None:
            if len(self.columns) != len(titles):
                raise InputError(
                    f"X: has {len(self.columns)} columns and the model was trained on "
                    f"{len(titles)}; give the same columns"
                )
            return replace(self, names=tuple(titles))
        missing = [title for title in titles if title not in self.names]
        if missing:
            raise InputError(
                f"X: has no column {missing[0]!r}, which the model was trained on; give data of "
                "the same columns"
            )
        own = [self.columns[self.names.index(title)] for title in titles]
        return replace(self, columns=tuple(own), names=tuple(titles))


@dataclass(frozen=True)
class MixedRows:
    """Rows of numbers (n, d) made of a table, and which of its columns are categories.

    Attributes
    ----------
    titles
        Of the table's columns in their order.
    feature_names
        Of the columns of the rows; None where the table has no names.
    """

    x: NDArray[Any]
    titles: tuple[str, ...]
    feature_names: tuple[str, ...] | None
    categorical: Categorical


def learn_rows(X: Any, categorical: str | Sequence[str | int], *, missing: bool) -> MixedRows:
    """Make rows of a table to learn from.

    Parameters
    ----------
    categorical
        Names of columns, or their places from 0; or `auto`: those that hold no numbers.
    missing
        Whether values may be missing.

    Raises
    ------
    InputError
        For columns that are not there, text in columns of numbers, and columns of too many values.
    """
    table = Table.of(X)
    chosen = _chosen(table, categorical)
    found = _joined(table, chosen, (), missing=missing)
    numbers = [table.title(n) for n in range(len(table.columns)) if n not in chosen]
    titles = tuple(map(table.title, range(len(table.columns))))
    named = (*numbers, *member_names(found.categorical)) if table.names else None
    return MixedRows(found.joined(data_memory(None)), titles, named, found.categorical)


def refuse_text(X: Any, remedy: str) -> None:
    """Refuse a DataFrame that has a column of text, where all are taken for numbers.

    Parameters
    ----------
    remedy
        What to do about it.

    Raises
    ------
    InputError
        For the first such column.
    """
    table = Table.of(X)
    for n, column in enumerate(table.columns):
        _numbers(column, table.title(n), remedy)


def known_rows(X: Any, model: Model, titles: Sequence[str], *, missing: bool) -> NDArray[Any]:
    """Make rows (n, d) of a table as a model knows them.

    Parameters
    ----------
    titles
        Of the columns that it was trained on.

    Raises
    ------
    InputError
        As `learn_rows`, and for categories that training has not seen.
    """
    table = Table.of(X).in_order(titles)
    known = [column.name for column in model.categorical]
    chosen = [titles.index(name) for name in known]
    found = _joined(table, chosen, model.categorical, missing=missing)
    return found.joined(data_memory(None))


def table_of(rows: NDArray[Any], model: Model, titles: Sequence[str]) -> NDArray[np.object_]:
    """Return rows (n, d) as a table (n, columns) of objects, with the likeliest of categories."""
    table = np.empty((len(rows), len(titles)), object)
    members = places(rows.shape[1], model.network.categories)
    for column, place in zip(model.categorical, members, strict=True):
        table[:, titles.index(column.name)] = column.likeliest(rows[:, place]).astype(object)
    names = {column.name for column in model.categorical}
    numbers = [place for place, title in enumerate(titles) if title not in names]
    table[:, numbers] = rows[:, : model.numbers]
    return table


def titles_of(model: Model) -> tuple[str, ...]:
    """Return the names of a table's columns, numbers first, as far as a model file tells them."""
    names = [column.name for column in model.categorical]
    if model.feature_names is not None:
        return (*model.feature_names[: model.numbers], *names)
    count = model.numbers + len(names)
    numbers = iter([str(n) for n in range(1, count + 1) if str(n) not in names])
    return tuple(str(n) if str(n) in names else next(numbers) for n in range(1, count + 1))


def _chosen(table: Table, categorical: str | Sequence[str | int]) -> list[int]:
    """Return the places of the columns of categories."""
    if isinstance(categorical, str):
        if categorical != AUTO:
            raise InputError(
                f"categorical: {categorical!r} is neither {AUTO!r} nor a list of columns; give "
                f"[{categorical!r}] for the column of that name"
            )
        return [n for n, column in enumerate(table.columns) if not _holds_numbers(column)]
    places = [_place(table, wanted) for wanted in categorical]
    if len(set(places)) < len(places):
        raise InputError("categorical: names a column twice; give it once")
    return places


def _place(table: Table, wanted: str | int) -> int:
    if isinstance(wanted, str):
        if table.names and wanted in table.names:
            return table.names.index(wanted)
    elif 0 <= int(wanted) < len(table.columns):
        return int(wanted)
    raise InputError(
        f"categorical: there is no column {wanted!r} in X; give names, or places from 0 to "
        f"{len(table.columns) - 1}"
    )


def _holds_numbers(column: Any) -> bool:
    """Whether a column is of numbers, truth values or times by its type."""
    if str(getattr(column, "dtype", "")).lower().startswith(("category", "categorical", "enum")):
        return False
    return np.asarray(column).dtype.kind in "iufbM"


def _joined(
    table: Table, chosen: Sequence[int], known: Categorical, *, missing: bool
) -> TableColumns:
    options = replace(AS_IT_IS, missing=missing, known=known)
    codes = [
        categories(list(_cells(table.columns[n])), table.title(n), "X", options) for n in chosen
    ]
    columns = [
        _numbers(column, table.title(n), "name it in categorical=, or leave it out")
        for n, column in enumerate(table.columns)
        if n not in chosen
    ]
    numbers = np.column_stack(columns) if columns else None
    return TableColumns("X", table.rows, numbers, {}, codes)


def _cells(column: Any) -> Iterator[str]:
    """Yield the values of a column as text, empty where they are missing."""
    for value in np.asarray(column, object).tolist():
        yield "" if _is_missing(value) else str(value)


def _is_missing(value: Any) -> bool:
    return value is None or str(value) in ("<NA>", "NaT", "nan")


def _numbers(column: Any, title: str, remedy: str) -> NDArray[Any]:
    """Return a column as numbers; times as seconds since the beginning of 1970."""
    values = np.asarray(column)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(values), np.nan, seconds)
    if values.dtype.kind in "iufb":
        return values
    try:
        return np.array([np.nan if _is_missing(v) else float(v) for v in values.tolist()])
    except (TypeError, ValueError):
        raise InputError(f"X: the column {title!r} holds no numbers; {remedy}") from None
