import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.storage.rows import row_blocks, row_types


@pytest.mark.parametrize("name", sorted(row_types.STORED_TYPES))
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_stored_type_comes_back_native_with_its_values(name, order):
    given = np.array([[1, 2], [3, 4]]).astype(np.dtype(name).newbyteorder(order))
    x, image_shape = row_types.as_rows(given, "x")
    assert x.dtype == np.dtype(name)
    assert x.dtype.isnative
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    assert image_shape is None


def test_truth_values_and_half_floats_become_float32():
    assert row_types.as_rows(np.array([[True, False]]), "x")[0].dtype == np.float32
    assert row_types.as_rows(np.ones((2, 2), np.float16), "x")[0].dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "word"),
    [("U3", "text"), ("S3", "text"), ("O", "objects"), ("c8", "complex"), ("g", "float"),
     ("M8[s]", "datetime"), ([("a", "f4")], "records")],
)  # fmt: skip
def test_a_type_that_is_no_number_is_refused_by_name(dtype, word):
    with pytest.raises(InputError, match=rf"^rows\.npy: holds .*{word}"):
        row_types.as_rows(np.zeros((2, 2), dtype), "rows.npy")


def test_an_array_that_needs_no_change_is_not_copied():
    given = np.ones((3, 4), np.float32)
    assert np.shares_memory(row_types.as_rows(given, "x")[0], given)


def test_columns_first_arrays_become_c_contiguous():
    x, _ = row_types.as_rows(np.asfortranarray(np.arange(6.0).reshape(2, 3)), "x")
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, [[0, 1, 2], [3, 4, 5]])


@given(hnp.array_shapes(min_dims=3, max_dims=5, max_side=4))
def test_more_dimensions_are_rows_of_the_flattened_rest(shape):
    given = np.arange(np.prod(shape)).reshape(shape)
    x, image_shape = row_types.as_rows(given, "x")
    np.testing.assert_array_equal(x, [row.ravel() for row in given])
    assert image_shape == (shape[1:] if len(shape) in (3, 4) else None)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (2, 0, 3)])
def test_what_has_no_rows_and_columns_is_refused(shape):
    with pytest.raises(InputError, match=r"^rows\.npy: (has \d dimension|is empty)"):
        row_types.as_rows(np.zeros(shape), "rows.npy")


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 100))
def test_blocks_give_every_row_once_in_order(rows, columns, block_bytes):
    x = np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_blocks, "BLOCK_BYTES", block_bytes)
        parts = list(row_blocks.blocks(x))
    assert [start for start, _ in parts] == list(
        np.cumsum([0, *(len(part) for _, part in parts[:-1])])
    )
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_by_row_and_the_first_is_named(bad, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 8)
    x = np.zeros((9, 3), np.float32)
    x[4, 2] = x[4, 1] = x[7, 0] = bad
    with pytest.raises(InputError, match=r"^x\.h5: 2 of 9 rows .* row 5, column 2 "):
        row_blocks.check_finite(x, "x.h5")


def test_the_largest_floats_count_as_finite():
    row_blocks.check_finite(np.full((5, 5), np.finfo(np.float32).max), "x")


def test_integers_are_not_read_for_the_check():
    class Unreadable(np.ndarray):
        def __getitem__(self, key):
            raise AssertionError("read")

    row_blocks.check_finite(np.zeros((3, 3), np.uint8).view(Unreadable), "x")
