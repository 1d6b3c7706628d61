"""How many files this process may hold open."""

from __future__ import annotations

from contextlib import suppress

try:
    import resource
except ImportError:  # a system without such limits
    resource = None  # type: ignore[assignment]

SPARE = 256
"""Files beside those that are asked for: libraries, outputs, pipes to other processes."""


def allow(count: int) -> None:
    """Raise the limit on open files, as far as the system lets this user raise it.

    Where it does not suffice, whoever opens a file says what helps.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return
    most = wanted if hard == unlimited else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
