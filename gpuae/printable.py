"""Text of strangers, such that no terminal is steered by it."""

from __future__ import annotations

_NO_BREAKS = str.maketrans({"\n": "\\n", "\t": "\\t"})


def printable(text: str) -> str:
    """Return text from files, or of their names, without what would steer a terminal."""
    return "".join(
        own if own.isprintable() or own in "\n\t" else own.encode("unicode_escape").decode()
        for own in text
    )


def one_line(text: str) -> str:
    """Return the same without breaks of lines and tabs."""
    return printable(text).translate(_NO_BREAKS)
