"""Which calls of a program may run beside each other, from the memory they read and write.

A step's small kernels do not fill a GPU. What does not depend on each other is put on branches that
run at the same time: the same kernels, and so the same bits. Who records a step need not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

BRANCHES = 2
CROSSING = 1.5
"""Microseconds that it takes to wait for another branch."""

Span: TypeAlias = tuple[int, int]
"""Addresses of the first byte and of the one after the last."""


@dataclass(frozen=True)
class Use:
    """What a call does with memory, and about how many microseconds it takes."""

    reads: tuple[Span, ...]
    writes: tuple[Span, ...]
    cost: float

    def must_follow(self, earlier: Use) -> bool:
        """Whether it has to wait for an earlier call: not where both only read."""
        return _meet(self.writes, earlier.writes + earlier.reads) or _meet(
            self.reads, earlier.writes
        )


@dataclass(frozen=True)
class Place:
    """A call in the order in which calls are put into branches.

    Attributes
    ----------
    call
        Its number among the program's calls.
    waits
        Numbers of places, on other branches, that it waits for.
    awaited
        Whether a place on another branch waits for it.
    """

    call: int
    branch: int
    waits: tuple[int, ...]
    awaited: bool


def in_branches(uses: Sequence[Use], times: int) -> list[Place]:
    """Return the places of a program's calls, repeated so many times one after the other.

    Each call keeps its branch in all repeats. A place waits for no more than it has to: not for
    what its own branch, or another place it waits for, has waited for.
    """
    count = len(uses)
    near = [[j for j in range(i) if uses[i].must_follow(uses[j])] for i in range(count)]
    far = [[j for j in range(count) if uses[i].must_follow(uses[j])] for i in range(count)]
    branches = _branches(uses, near, far)
    known: list[list[int]] = []  # at each place, the last place of each branch that is done
    last = [[-1] * BRANCHES for _ in range(BRANCHES)]
    waits: list[tuple[int, ...]] = []
    for repeat in range(times):
        for i in range(count):
            place, branch = repeat * count + i, branches[i]
            done, own = list(last[branch]), []
            for other in sorted(_earlier(repeat, i, near, far, count), reverse=True):
                there = branches[other % count]
                if done[there] < other and there != branch:
                    own.append(other)
                    done = [max(pair) for pair in zip(done, known[other], strict=True)]
            done[branch] = place
            last[branch] = done
            known.append(done)
            waits.append(tuple(own))
    awaited = {other for own in waits for other in own}
    return [
        Place(place % count, branches[place % count], own, place in awaited)
        for place, own in enumerate(waits)
    ]


def _branches(
    uses: Sequence[Use], near: Sequence[Sequence[int]], far: Sequence[Sequence[int]]
) -> list[int]:
    """Give each call the branch on which it could start first, as it is in a second repeat."""
    count, free = len(uses), [0.0] * BRANCHES
    branches: list[int] = []
    ends: list[float] = []
    for repeat in range(2):
        for i in range(count):
            others = _earlier(repeat, i, near, far, count)
            starts = [
                max(
                    [free[own], *(ends[j] + CROSSING * (branches[j] != own) for j in others)],
                )
                for own in range(BRANCHES)
            ]
            branch = starts.index(min(starts))
            branches.append(branch)
            ends.append(starts[branch] + uses[i].cost)
            free[branch] = ends[-1]
    return branches[count:]


def _earlier(
    repeat: int, i: int, near: Sequence[Sequence[int]], far: Sequence[Sequence[int]], count: int
) -> list[int]:
    """Return the places that a call of a repeat has to follow, in it and in the one before.

    What was before that, the calls of the one before have followed.
    """
    own = [repeat * count + j for j in near[i]]
    return own + [(repeat - 1) * count + j for j in far[i]] if repeat else own


def _meet(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(
        start < other_end and other_start < end
        for start, end in spans
        for other_start, other_end in others
    )
