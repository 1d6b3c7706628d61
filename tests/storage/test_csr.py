import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.rows import row_types
from gpuae.storage.rows.csr import CsrRows
from gpuae.storage.rows.lazy_rows import LazyRows


def rows_of(shape=(3, 4), indptr=(0, 2, 2, 3), indices=(3, 0, 1), data=(1.0, 2.0, 3.0)):
    parts = (np.array(indptr), np.array(indices), np.array(data))
    return CsrRows(shape, *parts, source="given")


def test_rows_are_made_dense():
    rows = rows_of()
    assert isinstance(rows, LazyRows)
    assert (rows.shape, rows.dtype, len(rows)) == ((3, 4), np.float64, 3)
    np.testing.assert_array_equal(rows[0:3], [[2, 0, 0, 1], [0, 0, 0, 0], [0, 3, 0, 0]])
    np.testing.assert_array_equal(rows[1:3], [[0, 0, 0, 0], [0, 3, 0, 0]])
    assert rows[1:1].shape == (0, 4)
    assert rows[2:9].shape == (1, 4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*sorted(row_types.STORED_TYPES), "bool", "float16"]),
    st.sampled_from("<>"),
    st.sampled_from(["int32", "int64", "uint64", ">i4"]),
    st.data(),
)
def test_every_matrix_survives_block_by_block(name, order, integer, data):
    shape = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
    wide = "float32" if name == "float16" else name
    numbers = st.integers(0, 3)
    dense = data.draw(
        hnp.arrays(wide, shape, elements=st.booleans() if name == "bool" else numbers)
    )
    sparse = csr_matrix(dense)
    values = sparse.data.astype(np.dtype(name).newbyteorder(order))
    parts = (sparse.indptr.astype(integer), sparse.indices.astype(integer), values)
    rows = CsrRows(list(dense.shape), *parts, source="given")
    assert rows.dtype == row_types.stored_type(values.dtype, "given")
    assert rows[0 : len(dense)].dtype == rows.dtype
    np.testing.assert_array_equal(rows[0 : len(dense)], dense)
    step = data.draw(st.integers(1, 6))
    blocks = [rows[start : start + step] for start in range(0, len(dense), step)]
    np.testing.assert_array_equal(np.concatenate(blocks), dense)


@pytest.mark.parametrize("shape", [(10**6, 10**6), (2, 1 << 25)])
def test_few_values_in_a_matrix_beyond_reason_are_refused_before_they_are_read(shape):
    indptr = np.broadcast_to(np.int64(0), shape[0] + 1)
    empty = np.zeros(0)
    with pytest.raises(InputError, match=r"takes \d+ MiB when it is dense .* give --trust-size"):
        CsrRows(shape, indptr, empty.astype(int), empty, source="given")
    with limits.trust_size():
        assert CsrRows(shape, indptr, empty.astype(int), empty, source="given").shape == shape


def test_an_indptr_without_room_in_memory_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(limits, "physical_memory", lambda: 50)
    with pytest.raises(InputError, match="more than this machine's memory; give fewer rows"):
        rows_of()


def test_values_for_the_same_column_are_added():
    rows = rows_of(indices=(1, 1, 1))
    np.testing.assert_array_equal(rows[0:1], [[0, 3, 0, 0]])


def test_truth_values_for_the_same_column_stay_truth_values():
    rows = rows_of(indices=(1, 1, 1), data=(True, True, True))
    np.testing.assert_array_equal(rows[0:1], np.array([[0, 1, 0, 0]], np.float32))


def test_a_matrix_without_entries_is_zero():
    empty = np.array([], np.int32)
    rows = CsrRows((2, 3), np.zeros(3, int), empty, empty.astype(float), source="given")
    np.testing.assert_array_equal(rows[0:2], np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": None}, "has the shape None where two positive integers"),
        ({"shape": (3, 0)}, r"is empty, its shape is \(3, 0\); give at least one row"),
        ({"shape": (0, 3)}, r"is empty, its shape is \(0, 3\); give at least one row"),
        ({"shape": (3, -1)}, r"has the shape \(3, -1\)"),
        ({"shape": (True, "a")}, "where two positive integers"),
        ({"shape": (1 << 70, 4)}, r"indptr of shape \(4,\) for 1180591620717411303424 rows"),
        ({"shape": (3, 1 << 60)}, "one dense row may take 256 MiB"),
        ({"indptr": (0, 2, 3)}, r"has indptr of shape \(3,\) for 3 rows"),
        ({"indptr": (1, 2, 2, 3)}, "does not ascend from 0 to 3"),
        ({"indptr": (0, 3, 2, 3)}, "does not ascend from 0 to 3"),
        ({"indptr": (0, 2, 2, 2)}, "does not ascend from 0 to 3"),
        ({"indptr": (0, 2, 2, 1 << 40)}, "does not ascend from 0 to 3"),
        ({"indptr": (0, 1 << 62, -(1 << 62), 3)}, "does not ascend from 0 to 3"),
        ({"indptr": np.array([0, 1 << 63, 1 << 63, 3], np.uint64)}, "does not ascend"),
        ({"indptr": (0.0, 2.0, 2.0, 3.0)}, "has indptr of type float64, no integers"),
        ({"indices": (3.0, 0.0, 1.0)}, "has indices of type float64, no integers"),
        ({"indices": (3, 0)}, r"has indices of shape \(2,\) and data of shape \(3,\)"),
        ({"data": [[1.0], [2.0], [3.0]]}, r"data of shape \(3, 1\)"),
        ({"data": ["a", "b", "c"]}, "holds text where numbers"),
        ({"shape": (3, 1)}, r"has 2 entries for 1 columns in row 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_made(changed, message):
    with pytest.raises(InputError, match=message) as caught:
        rows_of(**changed)
    assert str(caught.value).startswith("given: ")


@pytest.mark.parametrize("index", [4, -1, 1 << 40])
def test_an_index_outside_the_columns_is_refused_when_its_rows_are_read(index):
    rows = rows_of(indices=(3, 0, index))
    assert rows[0:2].shape == (2, 4)
    with pytest.raises(InputError, match="index outside its 4 columns in the rows from 2 on"):
        rows[1:3]
