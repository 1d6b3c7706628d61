"""Where the time of a step goes."""

from dataclasses import replace

from bench.profile import profile
from gpuae.benchmark.cases import CASES


def test_a_classifier_s_time_is_told_by_kind_of_work():
    parts = profile(replace(CASES["classifier"], rows=600))
    assert {"products", "softmax", "gather", "adam", "the interpreter"} < parts.keys()
    assert "output delta" not in parts
    assert parts["products"] > 0
