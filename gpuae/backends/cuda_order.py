"""Which calls of a program may run beside each other, from the memory they read and write.

A step's small kernels do not fill a GPU. What does not depend on each other is put on branches that
run at the same time: the same kernels, and so the same bits. Who records a step need not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

BRANCHES = 2
CROSSING = 2.5
"""Microseconds that it takes to wait for another branch, about, by the profile of an H200."""

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

    All repeats are in the same order and on the same branches, or on these and the next ones in
    turn: what can begin beside the end of a repeat begins on another branch, and there the rest may
    best follow. A place waits for no more than it has to: not for what its own branch, or another
    place it waits for, has waited for.
    """
    count = len(uses)
    follows = [[j for j in range(count) if uses[i].must_follow(uses[j])] for i in range(count)]
    chosen, moves_on = _chosen(uses, follows)
    number = {call: place for place, (call, _) in enumerate(chosen)}
    branches = [
        (branch + repeat * moves_on) % BRANCHES for repeat in range(times) for _, branch in chosen
    ]
    known: list[list[int]] = []  # at each place, the last place of each branch that is done
    last = [[-1] * BRANCHES for _ in range(BRANCHES)]
    waits: list[tuple[int, ...]] = []
    for repeat in range(times):
        for call, _ in chosen:
            branch = branches[len(known)]
            done, own = list(last[branch]), []
            places = [(repeat - (other >= call)) * count + number[other] for other in follows[call]]
            for place in sorted(places, reverse=True):
                if place >= 0 and done[branches[place]] < place:
                    own.append(place)
                    done = [max(pair) for pair in zip(done, known[place], strict=True)]
            done[branch] = len(known)
            last[branch] = done
            known.append(done)
            waits.append(tuple(own))
    awaited = {place for own in waits for place in own}
    return [
        Place(chosen[place % count][0], branches[place], own, place in awaited)
        for place, own in enumerate(waits)
    ]


def _chosen(
    uses: Sequence[Use], follows: Sequence[Sequence[int]]
) -> tuple[list[tuple[int, int]], bool]:
    """Return the calls in the order of their starts, each with the branch where it starts first.

    Of those that can start as early, what must be waited for longest until the end comes first. It
    is so in the second of three repeats, of which some may run beside the end of the first, and
    some of the third beside its end. And return whether most of it is on another branch than in the
    first repeat.
    """
    count = len(uses)
    first = [[j for j in own if j < i] for i, own in enumerate(follows)]
    before = first + [
        [j + count * (j < i) + repeat * count for j in own]
        for repeat in range(2)
        for i, own in enumerate(follows)
    ]
    costs = [own.cost for own in uses] * 3
    left = _until_the_end(costs, before)
    free, ends, branches = [0.0] * BRANCHES, dict[int, float](), dict[int, int]()
    while len(ends) < len(costs):
        starts = [
            (
                max([free[branch], *(ends[j] + CROSSING * (branches[j] != branch) for j in own)]),
                i // count,
                -left[i],
                branch,
                i,
            )
            for i, own in enumerate(before)
            if i not in ends and all(j in ends for j in own)
            for branch in range(BRANCHES)
        ]
        start, _, _, branch, call = min(starts)
        branches[call] = branch
        free[branch] = ends[call] = start + costs[call]
    second = [(call - count, own) for call, own in branches.items() if call // count == 1]
    moved = sum(costs[call] for call, branch in second if branch != branches[call])
    return second, 2 * moved > sum(costs[:count])


def _until_the_end(costs: Sequence[float], before: Sequence[Sequence[int]]) -> list[float]:
    """Return for each call how long it and what follows it takes at least."""
    left = list(costs)
    for i in reversed(range(len(costs))):
        for j in before[i]:
            left[j] = max(left[j], costs[j] + left[i])
    return left


def _meet(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(
        start < other_end and other_start < end
        for start, end in spans
        for other_start, other_end in others
    )
