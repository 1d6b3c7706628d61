"""Numbers and lists in words, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 8
"""So many of a list are named in a message."""
LOWEST_SHOWN = -10.0


def counted(count: int, what: str) -> str:
    """Return a number and what it counts, which gets an s unless it is one."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def listed(
    items: Sequence[str], shown: int = SHOWN, *, separator: str = ", ", more: str = "…"
) -> str:
    """Return the first items of a list, and that there are more where there are."""
    rest = (more,) if len(items) > shown else ()
    return separator.join((*items[:shown], *rest))


def percent(share: float) -> str:
    """Word a share of variance; nobody reads a very negative one."""
    if share < LOWEST_SHOWN:
        return f"less than {LOWEST_SHOWN:.0%}"
    return f"{round(share, 3) + 0.0:.1%}"  # never −0.0
