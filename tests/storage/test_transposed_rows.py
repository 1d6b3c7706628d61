import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.hdf5.transposed_rows import TransposedRows
from gpuae.storage.rows.lazy_rows import LazyRows

FLOAT32 = np.dtype(np.float32)


@pytest.fixture
def rows_of(tmp_path):
    def written(stored, dtype=FLOAT32, **options):
        path = tmp_path / f"given-{len(list(tmp_path.iterdir()))}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=stored, **options)
        with opening.opened(InputFile(path)) as opened:
            return TransposedRows(reading.dataset_at(opened, "x"), dtype)

    return written


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3)}, {"compression": "gzip"}])
def test_columns_of_the_file_come_out_as_rows(rows_of, options):
    x = np.arange(35.0).reshape(7, 5)
    rows = rows_of(x.T, **options)
    assert isinstance(rows, LazyRows)
    assert (rows.shape, len(rows)) == ((7, 5), 7)
    for start, stop in ((0, 7), (2, 4), (6, 9), (3, 3)):
        block = rows[start:stop]
        np.testing.assert_array_equal(block, x[start:stop])
        assert block.dtype == np.float32
        assert block.flags.c_contiguous


def test_of_more_dimensions_all_are_reversed(rows_of):
    x = np.arange(24.0).reshape(4, 3, 2)
    rows = rows_of(x.T)
    assert rows.shape == (4, 6)
    np.testing.assert_array_equal(rows[1:3], x[1:3].reshape(2, 6))


def test_rows_of_a_chunk_are_a_unit(rows_of):
    x = np.zeros((5, 70))
    assert rows_of(x, chunks=(5, 10)).rows_per_chunk == 10
    assert rows_of(x).rows_per_chunk == 70
    assert rows_of(np.zeros((5, 5000))).rows_per_chunk == 1024


def test_a_unit_is_no_larger_than_a_block(rows_of, monkeypatch):
    monkeypatch.setattr("gpuae.storage.rows.row_blocks.BLOCK_BYTES", 3 * 5 * 4)
    assert rows_of(np.zeros((5, 70)), chunks=(5, 10)).rows_per_chunk == 3


def test_one_dimension_is_no_matrix(rows_of):
    with pytest.raises(InputError, match="has 1 dimension where rows and columns"):
        rows_of(np.zeros(3))
