"""Drawings for an output that takes few characters, such as ASCII."""

from __future__ import annotations

DRAWN = "⠿█─│┌…"
"""Of these all or none can be written."""
_PLAIN = {
    "-": "─╌",
    "|": "│",
    "+": "┌┐└┘├┤┬┴┼",
    "#": "█▓▀▄▌▐▖▗▘▝▙▛▜▟▚▞■▉▊▋▌",
    "=": "▒",
    ".": "░…",
    " ": "▏▎▍\u2800",
    "o": "•",
    "*": "".join(map(chr, range(0x2801, 0x2900))),
}
_TABLE = str.maketrans({own: plain for plain, drawn in _PLAIN.items() for own in drawn})


def writable(drawing: str, encoding: str | None) -> str:
    """Return a drawing of characters that the encoding has; text in it is left as it is."""
    try:
        DRAWN.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return drawing.translate(_TABLE)
    return drawing
