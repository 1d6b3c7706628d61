"""What runs beside each other on a GPU is what does not depend on each other."""

import numpy as np
import pytest

from gpuae.backends.cuda_order import Use, in_branches


def use(reads="", writes="", cost=3.0):
    """A call that reads and writes places of four bytes, each named by a letter."""

    def spans(names):
        return tuple((4 * ord(name), 4 * ord(name) + 4) for name in names)

    return Use(spans(reads), spans(writes), cost)


def placed(uses, times=1):
    return [(own.call, own.branch, own.waits) for own in in_branches(uses, times)]


def test_a_chain_stays_on_one_branch():
    chain = [use("a", "b"), use("b", "c"), use("c", "d"), use("d", "a")]
    places = in_branches(chain, 3)
    assert [own.call for own in places] == [0, 1, 2, 3] * 3
    assert {own.branch for own in places} == {0}
    assert not any(own.waits or own.awaited for own in places)


def test_what_depends_on_nothing_of_each_other_is_forked():
    uses = [use("", "a"), use("a", "b", 9.0), use("a", "c", 9.0), use("bc", "d")]
    places = in_branches(uses, 1)
    assert places[1].branch != places[2].branch
    assert places[0].awaited
    (own,) = places[3].waits
    assert own in (1, 2)
    assert places[own].branch != places[3].branch


def test_repeats_take_turns_where_the_next_one_begins_beside_the_end_of_the_last():
    """The work of a repeat follows what takes longer to be there, on that branch."""
    bring, work = use("", "a", 6.0), use("ad", "b", 12.0)
    last, move = use("ab", "c", 4.0), use("c", "d", 4.0)
    places = in_branches([bring, work, last, move], 4)
    branch = {(own.call, place // 4): own.branch for place, own in enumerate(places)}
    assert [branch[1, repeat] for repeat in range(4)] in ([0, 1, 0, 1], [1, 0, 1, 0])
    for repeat in range(3):
        assert branch[0, repeat + 1] == branch[1, repeat + 1] != branch[3, repeat]


@pytest.mark.parametrize(
    ("first", "then"),
    [(use("a", "b"), use("b", "c")), (use("a", "b"), use("c", "a")), (use("", "a"), use("", "a"))],
    ids=["a read after a write", "a write after a read", "a write after a write"],
)
def test_hazards_are_kept_in_order(first, then):
    assert then.must_follow(first)
    assert {own.branch for own in in_branches([first, then], 1)} == {0}


def test_two_that_read_the_same_do_not_wait_for_each_other():
    assert not use("a", "c").must_follow(use("a", "b"))


def test_neighbours_in_memory_do_not_touch():
    assert not use("b", "").must_follow(use("", "a"))


def test_nobody_waits_for_what_has_been_waited_for():
    uses = [use("", "a"), use("", "b"), use("ab", "c"), use("ab", "d", 30.0), use("abc", "e")]
    places = in_branches(uses, 1)
    for number, own in enumerate(places):
        assert all(places[other].branch != own.branch for other in own.waits), number
    assert sum(len(own.waits) for own in places) <= 3


def test_the_next_repeat_may_begin_beside_the_end_of_this_one():
    """Of rows that come, are used, and of parameters that are moved at last."""
    uses = [use("o", "x"), use("xw", "g"), use("g", "w", 20.0)]
    places = in_branches(uses, 3)
    moved, brought = places[2], places[3]
    assert brought.branch != moved.branch
    assert 2 not in brought.waits
    assert placed(uses, 3)[:3] == [(own, branch, waits) for own, branch, waits in placed(uses)]


@pytest.mark.parametrize("seed", range(20))
def test_every_dependency_is_kept_directly_or_by_way_of_others(seed):
    random = np.random.default_rng(seed)
    letters = "abcdefgh"

    def some(most):
        return "".join(random.choice(list(letters), random.integers(most + 1), replace=False))

    uses = [use(some(3), some(2), float(random.integers(1, 20))) for _ in range(9)]
    places = in_branches(uses, 4)
    before, last = [], {}
    for number, own in enumerate(places):
        met = set()
        for other in (*own.waits, *([last[own.branch]] if own.branch in last else [])):
            met |= before[other] | {other}
        before.append(met)
        last[own.branch] = number
        for other in range(number):
            if uses[own.call].must_follow(uses[places[other].call]):
                assert other in met, (number, other)
    assert len({own.branch for own in places}) == 2
