"""Text of strangers, made fit to stand in a page."""

from __future__ import annotations

OPEN, CLOSE = "\u2068", "\u2069"
"""What stands between them has a direction of its own and turns nothing around it."""
STEERING = (*range(0x202A, 0x202F), *range(0x2066, 0x2068))
"""Characters that turn the text around them."""
CONTROLS = (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0))
"""What HTML does not allow."""
_ESCAPED = {code: f"\\u{code:04x}" for code in (*STEERING, *CONTROLS)}
_ISOLATES = {ord(own): f"\\u{ord(own):04x}" for own in (OPEN, CLOSE)}


def isolated(name: object) -> str:
    """Return a name that stands in a sentence, whatever direction it is written in."""
    return f"{OPEN}{str(name).translate(_ISOLATES)}{CLOSE}"


def visible(value: object) -> object:
    """Return text with escapes for what would steer the text around it or break the page."""
    if type(value) is not str:  # markup is our own
        return value
    return value.translate(_ESCAPED).encode("utf-8", "backslashreplace").decode()
