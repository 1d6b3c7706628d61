"""How long something may take, as a person writes it."""

from __future__ import annotations

import re

IN_WORDS = "a time such as 90s, 10min or 2h"
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h)")


def seconds_of(text: str) -> float:
    """Return the seconds of `90s`, `10min` or `2h`.

    Raises
    ------
    ValueError
        For anything else, and for no time at all.
    """
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        raise ValueError(f"{text[:40]!r} is not {IN_WORDS}")
    return seconds


def worded(seconds: float) -> str:
    """Return a duration in the largest unit of which it has one, or in seconds."""
    for unit in ("h", "min"):
        if seconds >= _SECONDS[unit]:
            return f"{seconds / _SECONDS[unit]:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
