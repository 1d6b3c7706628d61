"""Rows of half precision: float16 and bfloat16, in npy, npz and safetensors."""

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.storage.rows.casts import CastRows, from_bfloat16
from gpuae.storage.rows.row_blocks import blocks

ml_dtypes = pytest.importorskip("ml_dtypes")

TYPES = (np.float16, ml_dtypes.bfloat16)
ROWS = np.random.default_rng(0).standard_normal((50, 3))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(50, 3), (25, 2, 3)])
def test_half_of_a_float_becomes_a_float_at_once_or_block_by_block(tmp_path, dtype, shape):
    rows = ROWS.reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", rows)
    small, large = (open_data(str(tmp_path / "a.npy"), memory=size) for size in (600, 599))
    assert isinstance(small.x, np.ndarray)
    assert isinstance(large.x, CastRows)
    expected = rows.reshape(len(rows), -1).astype(np.float32)
    for x in (small.x, next(blocks(large.x))[1]):
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        np.testing.assert_array_equal(x, expected)
    assert large.image_shape == small.image_shape


def test_bfloat16_is_told_and_other_values_of_two_bytes_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", ROWS.astype(ml_dtypes.bfloat16))
    assert "taken as bfloat16" in open_data(str(tmp_path / "a.npy")).notes[0]
    np.save(tmp_path / "b.npy", ROWS.astype(np.float16).view("V2"))
    with pytest.raises(InputError, match="holds records"):
        open_data(str(tmp_path / "b.npy"))


def test_every_bfloat16_is_its_float32():
    every = np.arange(1 << 16, dtype=np.uint16)
    expected = every.view(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(from_bfloat16(every), expected)


def test_bfloat16_in_an_archive_and_as_labels(tmp_path):
    rows = ROWS.astype(ml_dtypes.bfloat16)
    np.savez(tmp_path / "a.npz", x=rows)
    expected = rows.astype(np.float32)
    np.testing.assert_array_equal(open_data(str(tmp_path / "a.npz")).x, expected)
    np.save(tmp_path / "y.npy", rows[:, 0])
    labels = LabelsFile(tmp_path / "y.npy").load(50)
    np.testing.assert_array_equal(labels, expected[:, 0])


def test_another_byte_order_is_turned_block_by_block(tmp_path):
    np.save(tmp_path / "a.npy", ROWS.astype(">f8"))
    x = open_data(str(tmp_path / "a.npy"), memory=0).x
    assert isinstance(x, CastRows)
    np.testing.assert_array_equal(x[3:7], ROWS[3:7])
