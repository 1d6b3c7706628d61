"""--columns, --id-column and --label-column: which columns of DATA are what."""

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
        **others: Any,
    ) -> Any:
        from gpuae.importers import ReadOptions

        return function(reading=ReadOptions(columns, id_column, label_column), **others)

    for option in (_LABEL, _ID, _COLUMNS):
        command = option(command)
    return command  # type: ignore[return-value]


_COLUMNS = click.option(
    "--columns",
    metavar="LIST",
    help="Features: names, numbers from 1, ranges: mass,3-10,a:f [default: all].",
)
_ID = click.option("--id-column", metavar="NAME", help="Of a table: what identifies a row.")
_LABEL = click.option("--label-column", metavar="NAME", help="Of a table: the labels.")
