"""All pairs of parameters' values in few tests; every combination in the long suite.

A mistake nearly always shows with some one or two values, whatever the others are: R. Kuhn,
D. Wallace, A. Gallo: Software fault interactions and implications for software testing (IEEE
Transactions on Software Engineering, 2004).
"""

import itertools

import numpy as np
import pytest


def pairwise(*, indirect=(), **choices):
    """Parametrize a test: combinations without which a pair of values would be missing, at once.

    Values of those `indirect` are for the fixtures of these names.
    """
    few = set(covering([len(values) for values in choices.values()]))
    parameters = []
    for places in itertools.product(*(range(len(values)) for values in choices.values())):
        values = [own[place] for own, place in zip(choices.values(), places, strict=True)]
        marks = () if places in few else pytest.mark.long
        parameters.append(pytest.param(*values, id="-".join(map(_name, values)), marks=marks))
    return pytest.mark.parametrize(tuple(choices), parameters, indirect=indirect)


def _name(value):
    if isinstance(value, slice):
        return f"{value.start}:{value.stop}"
    if isinstance(value, dict):
        return "-".join(map(str, value.values()))
    if isinstance(value, tuple):
        return ("-" if isinstance(value[0], str) else "x").join(map(str, value))
    return str(value)


def covering(sizes, allowed=None):
    """Return index tuples in which every two indices below two of the sizes occur together.

    Each is the one with the most pairs that had been missing. `allowed` are the tuples there are.
    """
    every = np.indices(sizes).reshape(len(sizes), -1) if allowed is None else np.transpose(allowed)
    pairs, missing = _numbered_pairs(every, sizes)
    missing[np.setdiff1d(np.arange(len(missing)), pairs)] = False
    found = []
    while missing.any():
        best = missing[pairs].sum(axis=0).argmax()
        missing[pairs[:, best]] = False
        found.append(tuple(map(int, every[:, best])))
    return found


def _numbered_pairs(every, sizes):
    """Return the number of each pair in each combination, and a mark for each number."""
    numbers, count = [], 0
    for i, j in itertools.combinations(range(len(sizes)), 2):
        numbers.append(count + every[i] * sizes[j] + every[j])
        count += sizes[i] * sizes[j]
    return np.array(numbers), np.ones(count, bool)
