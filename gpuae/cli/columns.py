"""Which columns of DATA are what, and how a table of text is written: options of many commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def column_options(function: F) -> F:
    """Add the options; the command gets them as `reading`, the options of `open_data`."""

    @wraps(function)
    def command(
        *,
        columns: str | None,
        id_column: str | None,
        label_column: str | None,
        header: bool | None,
        decimal: str | None,
        na_values: tuple[str, ...],
        times: str | None,
        categorical: str | None = None,
        unknown: str = "refuse",
        **others: Any,
    ) -> Any:
        from gpuae.importers import ReadOptions

        reading = ReadOptions(
            columns,
            id_column,
            label_column,
            header=header,
            decimal=decimal,
            na_values=na_values,
            times=times,
            categorical=categorical,
            ignores_unknown=unknown == "ignore",
        )
        return function(reading=reading, **others)

    for option in (_NA_VALUES, _DECIMAL, _HEADER, _TIMES, _LABEL, _ID, _COLUMNS):
        command = option(command)
    return command  # type: ignore[return-value]


def learning_column_options(function: F) -> F:
    """Add the options of a command that learns which categories there are."""
    return _CATEGORICAL(column_options(function))


def using_column_options(function: F) -> F:
    """Add the options of a command that uses a model, which knows its categories."""
    return _UNKNOWN(column_options(function))


def _words(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the words of a list, without blanks around them."""
    words = tuple(word.strip() for word in (value or "").split(","))
    if value is not None and not all(words):
        raise click.BadParameter("needs words separated by commas, such as ?,n.d.,-999")
    return words if value is not None else ()


_COLUMNS = click.option(
    "--columns",
    metavar="LIST",
    help="Columns to use: names, numbers from 1 and ranges: mass,3-10,a:f [default: all].",
)
_ID = click.option(
    "--id-column", metavar="NAME", help="In a table, the column that identifies a row."
)
_LABEL = click.option("--label-column", metavar="NAME", help="In a table, the column of labels.")
_TIMES = click.option(
    "--times",
    metavar="LIST",
    help="In a table, columns of dates and times, which become seconds since 1970 (UTC).",
)
_CATEGORICAL = click.option(
    "--categorical",
    metavar="LIST",
    help="In a table, columns of categories: a column of 0 and 1 for each of their values.",
)
_UNKNOWN = click.option(
    "--unknown",
    type=click.Choice(["refuse", "ignore"]),
    default="refuse",
    show_default=True,
    help="Categories that training has not seen: refuse them, or take them as none.",
)
_HEADER = click.option(
    "--header/--no-header",
    default=None,
    help="In a text table, whether the first row names the columns [default: detected].",
)
_DECIMAL = click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="In a text table, the decimal separator [default: a point].",
)
_NA_VALUES = click.option(
    "--na-values",
    metavar="LIST",
    callback=_words,
    help="In a text table, more cells that mean a missing value, such as '?,n.d.,-999'.",
)
