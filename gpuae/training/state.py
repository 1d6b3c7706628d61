"""What training has to know to go on, as named arrays that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

State: TypeAlias = dict[str, NDArray[Any]]


def under(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """Return a state whose names begin with `prefix/`."""
    return {f"{prefix}/{name}": values for name, values in state.items()}


def part_of(state: Mapping[str, NDArray[Any]], prefix: str) -> State:
    """Return what lies under a prefix, without it."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): values for name, values in state.items() if name.startswith(start)
    }
