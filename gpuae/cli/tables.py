"""Tables of names and values, for terminals of any width."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gpuae.printable import printable

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text


def print_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Print names and values in two columns, or one below the other where these are too narrow."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    names = [Text(printable(name), style="bold", overflow="fold") for name, _ in rows]
    values = [Text(printable(value), overflow="fold") for _, value in rows]
    widest = max((len(name) for name in names), default=0)
    stacked = sys.stdout.isatty() and widest > console.width // 2
    console.print(
        _stacked(title, names, values) if stacked else _side_by_side(title, names, values)
    )


def _side_by_side(title: str, names: list[Text], values: list[Text]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in zip(names, values, strict=True):
        table.add_row(name, value)
    return table


def _stacked(title: str, names: list[Text], values: list[Text]) -> Group:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    lines: list[RenderableType] = [Text(printable(title), style="italic")]
    for name, value in zip(names, values, strict=True):
        lines += [name] if name else []
        lines.append(Padding(value, (0, 0, 0, 4)))
    return Group(*lines)
