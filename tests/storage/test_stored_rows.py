import mmap
import os

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import stored_rows
from gpuae.storage.hdf5.stored_rows import StoredRows
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.lazy_rows import LazyRows
from gpuae.storage.rows.mapped_copy import mapped_copy
from gpuae.storage.rows.pages import is_large, mapping_of, release_pages


@pytest.fixture
def stored(tmp_path):
    """Write rows (n, d) into an HDF5 file in some way; return its path and the values."""

    def write(shape=(1000, 6), dtype="float32", **how):
        values = (100 * np.random.default_rng(0).random(shape)).astype(dtype)
        with h5py.File(tmp_path / "rows.h5", "w") as file:
            file.create_dataset("x", data=values, **how)
        return tmp_path / "rows.h5", values

    return write


WAYS = [
    {"chunks": (100, 6), "compression": "gzip", "shuffle": True},
    {"chunks": (64, 4), "compression": "lzf", "fletcher32": True},
    {"chunks": (1000, 1)},
    {"chunks": (7, 6), "dtype": ">f4"},
    {"chunks": (300, 6), "dtype": "uint8"},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_rows_that_are_more_than_the_memory_are_read_by_blocks(stored, how, monkeypatch):
    path, values = stored(**how)
    dataset = open_dataset(InputFile(path), "x", memory=100)
    assert isinstance(dataset.x, StoredRows)
    assert isinstance(dataset.x, LazyRows)
    assert dataset.x.shape == (1000, 6)
    assert dataset.x.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(dataset.x[130:777], values[130:777])
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 1000)
    for multiple, start in ((1, 0), (64, 128), (64, 1000)):
        blocks = list(row_blocks.blocks(dataset.x, multiple, start))
        assert all(len(block) % multiple == 0 for _, block in blocks[:-1])
        found = np.concatenate([np.empty((0, 6), values.dtype), *(block for _, block in blocks)])
        np.testing.assert_array_equal(found, values[start:])


def test_chunks_as_high_as_the_matrix_are_no_block(stored, monkeypatch):
    monkeypatch.setattr(stored_rows, "LARGEST_UNIT_BYTES", 2400)
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 1000)
    path, values = stored(chunks=(1000, 1), compression="gzip")
    x = open_dataset(InputFile(path), "x", memory=100).x
    blocks = [block for _, block in row_blocks.blocks(x)]
    assert max(block.nbytes for block in blocks) <= 2400
    np.testing.assert_array_equal(np.concatenate(blocks), values)


def test_rows_that_fit_are_in_memory_at_once(stored):
    path, values = stored(compression="gzip")
    x = open_dataset(InputFile(path), "x", memory=values.nbytes).x
    assert isinstance(x, np.ndarray)
    np.testing.assert_array_equal(x, values)


def test_contiguous_rows_are_mapped_whatever_the_memory(stored):
    path, values = stored()
    x = open_dataset(InputFile(path), "x", memory=0).x
    assert mapping_of(x) is not None
    assert is_large(x, values.nbytes - 1)
    assert not is_large(x, values.nbytes)
    release_pages(x)
    np.testing.assert_array_equal(x, values)


def test_images_that_are_read_by_blocks_are_flat_rows(stored):
    path, values = stored((50, 4, 5), chunks=(10, 4, 5))
    dataset = open_dataset(InputFile(path), "x", memory=10)
    assert dataset.image_shape == (4, 5)
    np.testing.assert_array_equal(dataset.x[3:40], values.reshape(50, 20)[3:40])


def test_a_file_that_changes_while_it_is_read_is_noticed(stored):
    path, _ = stored(chunks=(10, 6))
    x = open_dataset(InputFile(path), "x", memory=10).x
    stored((400, 6), chunks=(10, 6))
    with pytest.raises(InputError, match="has changed while it was read"):
        x[0:10]


def test_a_chunk_that_is_damaged_is_an_error_when_it_is_read(stored):
    path, _ = stored(compression="gzip", fletcher32=True, chunks=(100, 6))
    with h5py.File(path) as file:
        place = file["x"].id.get_chunk_info(4).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 50] ^= 0xFF
    path.write_bytes(content)
    x = open_dataset(InputFile(path), "x", memory=10).x
    x[0:400]
    with pytest.raises(InputError, match="damaged"):
        x[400:500]


def test_arrays_in_memory_have_no_pages_to_hand_back():
    x = np.zeros((5, 3))
    assert mapping_of(x) is None
    assert not is_large(x, 0)
    release_pages(x)
    assert not x.any()


def test_rows_to_be_gathered_are_unpacked_into_a_file_without_a_name(stored, tmp_path, monkeypatch):
    path, values = stored(compression="gzip")
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with mapped_copy(open_dataset(InputFile(path), "x", memory=10).x) as x:
        assert isinstance(mapping_of(x), mmap.mmap)
        np.testing.assert_array_equal(x[[5, 900, 2]], values[[5, 900, 2]])
        assert list(folder.iterdir()) == []


def test_an_array_is_in_place_already():
    x = np.zeros((5, 3))
    with mapped_copy(x) as same:
        assert same is x


def test_no_room_to_unpack_is_said_with_what_is_needed(stored, monkeypatch):
    path, _ = stored(compression="gzip")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    x = open_dataset(InputFile(path), "x", memory=10).x
    with (
        pytest.raises(OutputError, match=r"no room for 0 MiB .*No space left.*set TMPDIR"),
        mapped_copy(x),
    ):
        pytest.fail("worked")


def test_a_map_keeps_the_changes_that_are_only_its_own(tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", np.zeros((1000, 6)))
    x = np.load(tmp_path / "rows.npy", mmap_mode="c")
    x[5] = 7
    monkeypatch.setattr(row_blocks, "HELD_BYTES", 0)
    for view in (x, x[2:]):
        assert not is_large(view, 0)
        release_pages(view)
        list(row_blocks.blocks(view))
    assert (x[5] == 7).all()
