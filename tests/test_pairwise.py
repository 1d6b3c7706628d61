"""Few combinations hold all pairs, and none is lost from the long suite."""

import itertools

import pytest
from pairwise import covering, pairwise


@pytest.mark.parametrize("sizes", [(2, 3), (9, 5, 3, 2, 2, 2), (2, 2, 2), (1, 4, 1), (4, 3, 2)])
def test_every_pair_is_there_in_few_combinations(sizes):
    found = covering(sizes)
    for (i, size), (j, other) in itertools.combinations(enumerate(sizes), 2):
        assert {(own[i], own[j]) for own in found} == set(
            itertools.product(range(size), range(other))
        )
    largest, second = sorted(sizes)[-2:]
    assert len(found) <= max(1.5 * largest * second, 4)


def test_the_rest_is_long():
    mark = pairwise(shape=[(1, 2), (3, 4)], dtype=["a", "b"], flag=[False, True]).mark
    names, parameters = mark.args
    assert names == ("shape", "dtype", "flag")
    assert [own.id for own in parameters][:2] == ["1x2-a-False", "1x2-a-True"]
    assert len(parameters) == 8
    assert sum(bool(own.marks) for own in parameters) == 4
