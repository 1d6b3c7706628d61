"""Where characters are drawn: its size, its colours, and text that fits in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

from gpuae.printable import one_line

COLOURS = (32, 208, 36, 175, 178, 74, 166, 245)
"""Of the 256 of a terminal, near those of M. Okabe and K. Ito; readable on black and on white."""
GREY = 245
_STEERING = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Space:
    """Columns, lines, and how many colours there are: 0, 256 or 2**24."""

    width: int
    height: int
    colours: int = 0

    def paint(self, text: str, colour: int) -> str:
        """Return the text in one of the 256 colours, where there are some."""
        return f"\x1b[38;5;{colour}m{text}\x1b[0m" if self.colours and text else text

    def strong(self, text: str) -> str:
        """Return the text in bold, where that is known to be understood."""
        return f"\x1b[1m{text}\x1b[0m" if self.colours and text else text


def cut(text: str, width: int) -> str:
    """Return text of strangers on one line, of at most so many columns."""
    own = one_line(text)
    if cell_len(own) <= width:
        return own
    return set_cell_size(own, width - 1).rstrip() + "…" if width > 1 else "…"[:width]


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return text of the same width, at the left or at the right."""
    own = cut(text, width)
    blank = " " * (width - cell_len(own))
    return blank + own if right else own + blank


def centred(text: str, width: int) -> str:
    """Return text in the middle of so many columns."""
    own = cut(text, width)
    left = (width - cell_len(own)) // 2
    return padded(" " * left + own, width)


def wrapped(text: str, width: int) -> list[str]:
    """Return text of strangers as lines of at most so many columns."""
    return [cut(line, width) for line in wrap(one_line(text), width)]


def visible(line: str) -> int:
    """Return the columns that a line with colours takes."""
    return cell_len(_STEERING.sub("", line))


def filled(line: str, width: int) -> str:
    """Return a line with colours as wide as that, with blanks."""
    return line + " " * (width - visible(line))


def beside(blocks: Sequence[Sequence[str]], width: int, gap: int) -> list[str]:
    """Put blocks of lines side by side, each as wide as that."""
    rows = zip_longest(*blocks, fillvalue="")
    return [(" " * gap).join(filled(line, width) for line in row) for row in rows]


def flowing(parts: Iterable[str], width: int, gap: str = "   ") -> list[str]:
    """Put parts with colours on lines, as many on each as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and visible(lines[-1]) + len(gap) + visible(part) <= width:
            lines[-1] += gap + part
        else:
            lines.append(part)
    return lines
