"""Images in a terminal: whether it shows some, by which protocol, and how they are shown.

A terminal is asked, and given a second: for its attributes, which all answer and among which is
whether it knows sixel, and before that, if its name is that of one which draws images at the
placeholders of the protocol of kitty, for that. iTerm2 knows sixel; what others say of the protocol
of kitty counts for nothing, since several know the protocol and not the placeholders.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO
from select import select
from typing import Any, Literal

from gpuae.pictures.picture import Picture

SECONDS = 1.0
"""That a terminal has to answer: it may be on another continent."""
SILENT = ("", "dumb", "linux", "unknown")
"""Terminals, by TERM, that show no images, and may show the question."""
WITH_PLACEHOLDERS = ("kitty", "ghostty")
DENSITY = 110
"""Pixels to an inch, at which text is about as large as the terminal's own."""
LEGIBLE = 80
"""Pixels to an inch at least, if fewer panels side by side can bring that about."""
WIDEST = 200
"""In columns, and in lines of a part; placeholders have numbers up to 297."""
CELL = (10, 20)
"""Pixels of a character, where nobody says."""
ATTRIBUTES, OF_CELL = "\x1b[c", "\x1b[16t"
OF_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_OF_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_OF_KITTY = re.compile(rb"\x1b_Gi=31;OK\x1b\\")


@dataclass(frozen=True)
class Images:
    """How a terminal shows images, and how many pixels a character has."""

    protocol: Literal["sixel", "tgp"]
    cell: tuple[int, int] = CELL

    def show(self, picture: Picture, width: int, height: int) -> None:
        """Draw a picture with matplotlib and show it, no wider than there is room for.

        One that is higher than the terminal is shown in parts, which join as they scroll.
        """
        from rich.console import Console

        console = Console(
            file=sys.stdout, force_terminal=True, color_system="truecolor", width=width
        )
        drawn, shown = self._drawn(picture, min(width, WIDEST)), self._renderable()
        step = max(min(height - 2, WIDEST), 1) * self.cell[1]
        for top in range(0, drawn.height, step):
            part = drawn.crop((0, top, drawn.width, min(top + step, drawn.height)))
            size = (own // cell for own, cell in zip(part.size, self.cell, strict=True))
            console.print(shown(part, *size))

    def _drawn(self, picture: Picture, width: int) -> Any:
        """Return an image of Pillow's of whole characters, at most so many wide."""
        from PIL import Image

        figure, density = self._figure(picture, width * self.cell[0])
        content = BytesIO()
        figure.savefig(content, format="png", dpi=density)
        own = Image.open(content).convert("RGB")
        size = [-(-side // cell) * cell for side, cell in zip(own.size, self.cell, strict=True)]
        whole = Image.new(
            "RGB", (min(size[0], width * self.cell[0]), size[1]), own.getpixel((0, 0))
        )
        whole.paste(own)
        return whole

    def _figure(self, picture: Picture, width: int) -> tuple[Any, float]:
        """Return a figure and pixels to an inch; panels stand one below the other to be legible."""
        from gpuae.plots.figure import draw

        figure = draw(picture)
        density = width / float(figure.get_size_inches()[0])
        if density < LEGIBLE and picture.across > 1:
            return self._figure(replace(picture, across=1), width)
        return figure, min(density, DENSITY)

    def _renderable(self) -> Any:
        """Return the class of textual-image, told what it would ask the terminal for."""
        with _unasked():
            shown: Any = import_module(f"textual_image.renderable.{self.protocol}")
            known: Any = import_module("textual_image._terminal")
        shown.get_cell_size = lambda: known.CellSize(*self.cell)  # every version looks there
        return shown.Image


@contextmanager
def _unasked() -> Iterator[None]:
    """Keep textual-image from asking the terminal when it is imported: its answers would be late.

    It does not where there is no standard output.
    """
    own = sys.__stdout__
    vars(sys)["__stdout__"] = None
    try:
        yield
    finally:
        vars(sys)["__stdout__"] = own


def ask() -> Images | None:
    """Ask the terminal how it shows images; None where it does not, or there is none to ask."""
    name = os.environ.get("TERM", "")
    if name in SILENT or not _is_ours():
        return None
    cell = _cell_of_system()
    kitty = OF_KITTY if any(word in name for word in WITH_PLACEHOLDERS) else ""
    answer = _answer(kitty + ("" if cell else OF_CELL) + ATTRIBUTES)
    return understood(answer, cell)


def understood(answer: bytes, cell: tuple[int, int] | None = None) -> Images | None:
    """Return how images are shown by a terminal that has answered so."""
    attributes, size = _ATTRIBUTES.search(answer), _OF_CELL.search(answer)
    if cell is None and size is not None:
        cell = (int(size[2]), int(size[1]))
    own = cell if cell and all(cell) else CELL
    if attributes is not None and b"4" in attributes[1].split(b";"):
        return Images("sixel", own)
    return Images("tgp", own) if _OF_KITTY.search(answer) else None


def _is_ours() -> bool:
    """Whether there is a terminal to write to and read from, and we are in its foreground."""
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return False
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return False


def _cell_of_system() -> tuple[int, int] | None:
    """Return width and height of a character in pixels, if the system knows the terminal's."""
    import fcntl
    import termios

    try:
        told = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    lines, columns, width, height = struct.unpack("4H", told)
    cell = (width // max(columns, 1), height // max(lines, 1))
    return cell if all(cell) else None


def _answer(question: str) -> bytes:
    """Write to the terminal and return what it says up to its attributes, or for a second.

    Where keys have been typed ahead it is not asked: they are for whoever reads next.
    """
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    answer, when = b"", termios.TCSANOW
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        if not select([descriptor], [], [], 0)[0]:
            when = termios.TCSAFLUSH  # what comes of an answer from now on is nobody's
            sys.stdout.write(question)
            sys.stdout.flush()
            answer = _read(descriptor)
    finally:
        termios.tcsetattr(descriptor, when, before)
    return answer


def _read(descriptor: int) -> bytes:
    answer, until = b"", time.monotonic() + SECONDS
    while _ATTRIBUTES.search(answer) is None:
        left = until - time.monotonic()
        if left <= 0 or not select([descriptor], [], [], left)[0]:
            break
        found = os.read(descriptor, 1024)
        if not found:
            break
        answer += found
    return answer
