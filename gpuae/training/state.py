"""What training has to know to go on, as named arrays that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from gpuae.errors import InputError

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


def check_fits(state: State, own: State, lists: Sequence[Collection[str]]) -> None:
    """Refuse a state with arrays of other shapes or types than those that go on from it.

    Parameters
    ----------
    own
        A state that fits.
    lists
        Names of arrays that may have any length, the same for all that are named together.

    Raises
    ------
    InputError
        Naming the first array that does not fit.
    """
    group_of = {name: group for group, names in enumerate(lists) for name in names}
    lengths: dict[int, int] = {}
    for name, values in own.items():
        found, wanted = state.get(name), values.shape
        if found is None:
            raise damaged(f"{name} is missing")
        if name in group_of and found.ndim:
            wanted = (lengths.setdefault(group_of[name], len(found)), *wanted[1:])
        if found.shape != wanted or found.dtype != values.dtype:
            raise damaged(
                f"{name} is {found.dtype} of shape {found.shape} where {values.dtype} of shape "
                f"{wanted} is needed"
            )


def damaged(problem: str) -> InputError:
    """Return what to raise for a state that cannot be gone on from."""
    return InputError(
        f"the checkpoint is damaged, its /state/{problem}; begin without --resume, under "
        "another name"
    )
