"""Text of strangers, made fit to be drawn: on one line, as long as there is room, never markup.

Widths are those of the font that matplotlib brings along, in which figures are drawn.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

from matplotlib import font_manager

FONT = "DejaVu Sans"
OTHERS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Symbola",
)
"""Fonts with signs that `FONT` lacks, of which machines have a few."""
ELLIPSIS = "…"
REPLACEMENT = "\ufffd"
BOX = "□"
"""Stands for a sign that no font has."""
STEERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of the text around it, and shows nothing itself."""
FIRST_PLANE_ENDS = 0xFFFE
"""From here on in each plane of Unicode two codes are no characters."""


def one_line(text: str) -> str:
    """Return text without line breaks or anything that an SVG file could not hold."""
    return " ".join("".join(map(_harmless, str(text))).split())


def _harmless(sign: str) -> str:
    if sign.isspace():
        return " "
    if sign in STEERING:
        return ""
    no_character = (ord(sign) & 0xFFFF) >= FIRST_PLANE_ENDS
    return REPLACEMENT if unicodedata.category(sign) in ("Cc", "Cs") or no_character else sign


def drawable(text: str) -> str:
    """Return text with a box for each sign that no font here has."""
    return "".join(sign if _fonts_have(sign) else BOX for sign in text)


def shortened(text: str, room: float, size: float) -> str:
    """Return text of `size` points that is at most `room` points wide, cut in its middle.

    Names differ at their ends more often than between them.
    """
    if width(text, size) <= room:
        return text
    room -= width(ELLIPSIS, size)
    start = _fitting(text, room * 0.6, size)
    end = _fitting(text[::-1], room - width(text[:start], size), size)
    return text[:start].rstrip() + ELLIPSIS + (text[-end:].lstrip() if end else "")


def wrapped(text: str, room: float, size: float, most: int) -> list[str]:
    """Return at most so many lines of words, each at most `room` points wide; the last is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if width(longer, size) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return [ended(line, room, size) for line in lines]


def ended(text: str, room: float, size: float) -> str:
    """Return text of `size` points that is at most `room` points wide, cut at its end."""
    if width(text, size) <= room:
        return text
    return text[: _fitting(text, room - width(ELLIPSIS, size), size)].rstrip() + ELLIPSIS


def width(text: str, size: float) -> float:
    """Return how wide a line of `size` points is, in points."""
    return size * sum(map(_advance, text))


def _fitting(text: str, room: float, size: float) -> int:
    """Return how many of the first signs are at most `room` wide."""
    for count, sign in enumerate(text):
        room -= size * _advance(sign)
        if room < 0:
            return count
    return len(text)


@cache
def families() -> list[str]:
    """Return the fonts to draw with, the first one that has a sign."""
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return [FONT, *(name for name in OTHERS if name in known)]


@cache
def _loaded_fonts() -> list[Any]:
    return [font_manager.get_font(font_manager.findfont(name)) for name in families()]


@cache
def _fonts_have(sign: str) -> bool:
    return any(font.get_char_index(ord(sign)) for font in _loaded_fonts())


@cache
def _advance(sign: str) -> float:
    """Return how far a sign moves the next one, in sizes of the font."""
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0.0
    font = _loaded_fonts()[0]
    index = font.get_char_index(ord(sign))
    if not index:
        return 1.0
    font.set_size(10, 72)
    return float(font.load_glyph(index).linearHoriAdvance / 65536 / 10)
