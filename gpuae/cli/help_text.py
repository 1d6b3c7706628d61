"""Help that is laid out for terminals of any width."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

import click

WIDEST = 80
NARROW = 60
"""Below so many columns what an option does stands in the line after its name."""
NARROWEST = 20


class Formatter(click.HelpFormatter):
    """Uses the width there is, where click takes at least 50 columns."""

    def __init__(
        self,
        indent_increment: int = 2,
        width: int | None = None,
        max_width: int | None = None,
    ) -> None:
        if width is None:
            columns = min(shutil.get_terminal_size().columns, max_width or WIDEST)
            width = max(NARROWEST, columns - 2)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they mean."""
        if self.width < NARROW and any(name.startswith("-") for name, _ in rows):
            col_max = 2 * self.indent_increment
        room = self.width - self.current_indent
        indent = "\n" + " " * (self.current_indent + 4)
        broken = [(indent.join(_lines(name, room)), meaning) for name, meaning in rows]
        super().write_dl(broken, col_max, col_spacing)


def _lines(name: str, room: int) -> Iterable[str]:
    """Break an option's name and choices between choices, where they are wider than the room."""
    if len(name) <= room:
        return [name]
    lines, line = [], ""
    for part in name.replace("|", "|\0").split("\0"):
        if line and len(line) + len(part) > room - 4:
            lines.append(line)
            line = ""
        line += part
    return [*lines, line]


class Context(click.Context):
    """A context whose help is laid out so."""

    formatter_class = Formatter
