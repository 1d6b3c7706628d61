import zlib

import h5py
import numpy as np
import pytest

from gpuae.errors import OutputError
from gpuae.storage.content_hash import file_hash
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, walk
from gpuae.storage.outputs.columns_output import ColumnsOutput, packed

LEVELS = np.random.default_rng(0).normal(128, 9, (1000, 3)).astype(np.int16)


def output(path, shape=LEVELS.shape, chunk_rows=256, **options):
    def build(file):
        file.attrs["format"] = "gpuae"

    return ColumnsOutput(path, "/codes/levels", shape, "int16", chunk_rows, build, **options)


def fill(out, order=(0, 256, 512, 768)):
    for start in order:
        out.write(start, LEVELS[start : start + 256])


@pytest.mark.parametrize("order", [(0, 256, 512, 768), (768, 0, 512, 256)])
def test_any_reader_of_hdf5_finds_what_was_written_in_any_order(tmp_path, order):
    with output(tmp_path / "a.h5", force=False) as out:
        fill(out, order)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["codes/levels"][:], LEVELS, strict=True)
        stated = file.attrs["content_sha256"].decode()
        assert file["codes/levels"].id.get_storage_size() == out.stored
    with opening.opened(InputFile(tmp_path / "a.h5")) as file:
        assert stated == file_hash.content_sha256(walk.guarded_objects(file))
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_what_was_reserved_is_given_back(tmp_path):
    with output(tmp_path / "a.h5", force=False) as out:
        assert next(tmp_path.iterdir()).stat().st_size > 1 << 20
        fill(out)
    assert (tmp_path / "a.h5").stat().st_size < out.stored + 20_000


def test_one_chunk_is_no_larger_than_its_rows(tmp_path):
    with output(tmp_path / "a.h5", (5, 3), force=False) as out:
        out.write(0, LEVELS[:5])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["codes/levels"].chunks == (5, 1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_behind_after_an_exception(tmp_path, error):
    def interrupted():
        with output(tmp_path / "a.h5", force=False) as out:
            out.write(0, LEVELS[:256])
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        output(path, force=False)
    with pytest.raises(RuntimeError, match="was never written"), output(path, force=True) as out:
        out.write(0, LEVELS[:256])
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("start", "rows"),
    [
        (0, LEVELS[:255]),
        (1, LEVELS[:256]),
        (768, LEVELS[:256]),
        (0, LEVELS[:256, :2]),
        (0, LEVELS[:256].astype(np.int32)),
    ],
)
def test_what_is_no_chunk_is_refused(tmp_path, start, rows):
    with pytest.raises(RuntimeError), output(tmp_path / "a.h5", force=False) as out:
        out.write(start, rows)


def test_a_chunk_is_not_written_twice(tmp_path):
    with pytest.raises(RuntimeError), output(tmp_path / "a.h5", force=False) as out:
        fill(out, (0, 0))


@pytest.mark.parametrize(("spread", "most"), [(2, 1.09), (10, 1.04), (40, 1.04), (1000, 1.06)])
def test_packed_integers_take_little_more_than_their_entropy(spread, most):
    values = np.random.default_rng(1).normal(128, spread, 20_000).round().astype(np.int16)
    shares = np.unique(values, return_counts=True)[1] / len(values)
    entropy = -(shares * np.log2(shares)).sum()
    assert len(packed(values)) * 8 / len(values) <= most * entropy


def test_a_column_of_one_value_takes_next_to_nothing():
    assert len(packed(np.full(60_000, 128, np.int16))) < 200


def test_packed_integers_are_shuffled_bytes_in_deflate():
    values = np.array([1, 258, -1], np.int16)
    assert zlib.decompress(packed(values)) == bytes([1, 2, 255, 0, 1, 255])
