"""Numbers in words."""

import pytest

from gpuae.words import counted, percent


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1797, "1,797 rows")]
)
def test_what_is_counted_is_one_or_several(count, said):
    assert counted(count, "row") == said


def test_shares_that_nobody_reads_are_bounded():
    assert percent(0.9312) == "93.1%"
    assert percent(-0.0004) == "0.0%"
    assert percent(-10) == "-1000.0%"
    assert percent(-1.8e33) == "less than -1000%"
