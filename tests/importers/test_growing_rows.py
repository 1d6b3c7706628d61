"""Rows that are appended end up as they were, in memory or in a file, or there is a sentence."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import OutputError
from gpuae.importers.growing_rows import GrowingRows


@pytest.mark.parametrize("memory", [0, 100, 1 << 20])
def test_rows_are_what_was_appended(memory):
    values = np.random.default_rng(0).random((50, 3))
    rows = GrowingRows(3, memory)
    for start in range(0, 50, 7):
        rows.append(values[start : start + 7])
    np.testing.assert_array_equal(rows.finished(), values)


def test_a_full_disk_is_told_with_the_rows_that_do_not_fit(monkeypatch):
    with Path("/dev/full").open("r+b", 0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
        with pytest.raises(OutputError, match=r"no room for 0 MiB .*No space left.*set TMPDIR"):
            GrowingRows(1, memory=0).append(np.ones((1, 1)))
