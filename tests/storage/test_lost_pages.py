"""A file that is cut short while it is mapped must not end the process."""

import os
import sys

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import open_data
from gpuae.storage.rows import lost_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the process ends")


def test_lost_pages_are_zeros_and_are_told(run_python, tmp_path):
    """In another process: it would end this one."""
    path = tmp_path / "rows.npy"
    np.save(path, np.ones((1 << 14, 8)))
    said = run_python(f"""
import os, numpy as np
from gpuae.errors import InputError
from gpuae.storage.rows import row_blocks
from gpuae.importers import open_data
x = open_data({str(path)!r}).x
os.truncate({str(path)!r}, 1 << 16)
assert x[:8000].sum() == 64000 - (x[:8000] == 0).sum() and x[-1].sum() == 0
try:
    for _ in row_blocks.blocks(x): pass
except InputError as error:
    print(error)
""")
    assert said.startswith(f"{path}: was cut short")


def test_what_is_whole_is_not_complained_of(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.ones((1 << 14, 8)))
    x = open_data(str(path)).x
    assert x.sum() == x.size
    lost_pages.check()


def test_a_map_that_has_gone_is_forgotten(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.ones((1 << 14, 8)))
    x = open_data(str(path)).x
    os.truncate(path, 1 << 12)
    assert x[-1, -1] == 0
    with pytest.raises(InputError, match=r"rows\.npy: was cut short"):
        lost_pages.check()
    del x
    lost_pages.check()
