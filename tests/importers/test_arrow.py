"""Rows in Arrow files and streams, as pyarrow and pandas write them, and files that lie."""

import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, ReadOptions, open_data
from gpuae.storage.files import limits

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
ROWS = np.random.default_rng(0).random((20, 3)).astype(np.float32)
COLUMNS = {f"c{place}": ROWS[:, place] for place in range(3)}
IDS = [f"row {number}" for number in range(20)]


@pytest.fixture
def written(tmp_path):
    """A function that writes columns as a file or a stream, and returns its name."""

    def write(kind="file", pack=None, rows=7, name="a.arrow", **columns):
        table = pa.table(columns or COLUMNS)
        options = pa.ipc.IpcWriteOptions(compression=pack)
        path = str(tmp_path / name)
        new = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}[kind]
        with new(path, table.schema, options=options) as out:
            out.write_table(table, rows)
        return path

    return write


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("pack", [None, "lz4", "zstd"])
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_files_and_streams_packed_or_not_are_rows(written, kind, pack, rows):
    path = written(kind, pack, rows, row_id=IDS, **COLUMNS, note=IDS, label=["a", "b"] * 10)
    dataset = open_data(path)
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.x.dtype == np.float32
    assert dataset.feature_names == ("c0", "c1", "c2")
    assert dataset.row_id.tolist() == IDS
    assert dataset.y.tolist() == ["a", "b"] * 10
    assert "left out, because they hold no numbers: note" in dataset.notes
    assert not any("end" in note for note in dataset.notes)


@pytest.mark.parametrize("memory", [0, 10_000])
def test_rows_beyond_the_memory_are_in_a_file_that_is_mapped(written, memory):
    x = open_data(written(), memory=memory).x
    assert isinstance(x, np.memmap) == (memory == 0)
    np.testing.assert_array_equal(x, ROWS)


def test_feather_of_pandas_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(COLUMNS).assign(label=pandas.Categorical(["x", "y"] * 10))
    frame.to_feather(tmp_path / "a.feather")
    dataset = open_data(str(tmp_path / "a.feather"))
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.y.tolist() == ["x", "y"] * 10


def test_what_polars_writes_is_read(tmp_path):
    polars = pytest.importorskip("polars")
    polars.DataFrame(COLUMNS).write_ipc(tmp_path / "a.arrow", compression="zstd")
    np.testing.assert_array_equal(open_data(str(tmp_path / "a.arrow")).x, ROWS)


def test_columns_are_chosen_as_in_any_table(written):
    path = written(b=[1.5, 2.5], a=[3, 4], t=[True, False])
    options = ReadOptions(columns="a,t", label_column="b")
    dataset = open_data(path, options=options)
    assert dataset.x.tolist() == [[3, 1], [4, 0]]
    assert dataset.y.tolist() == [1.5, 2.5]


def test_missing_values_are_refused_or_kept(written):
    path = written(a=[1, None, 3], b=[1.5, 2.5, 3.5])
    with pytest.raises(InputError, match=r"1 values are missing, the first in column 'a', row 2"):
        open_data(path)
    x = open_data(path, options=ReadOptions(missing=True)).x
    np.testing.assert_array_equal(x, [[1, 1.5], [np.nan, 2.5], [3, 3.5]])


def test_it_is_known_by_its_first_bytes(written):
    for kind in ("file", "stream"):
        np.testing.assert_array_equal(open_data(written(kind, name="rows.bin")).x, ROWS)


def test_feather_of_version_1_is_refused(tmp_path):
    with pytest.warns(DeprecationWarning, match="V1"):
        feather.write_feather(pa.table(COLUMNS), tmp_path / "a.feather", version=1)
    with pytest.raises(InputError, match=r"is a Feather file of version 1; write it again with"):
        open_data(str(tmp_path / "a.feather"))


def test_labels_are_not_read_from_it(written, tmp_path):
    written()
    with pytest.raises(InputError, match="labels are not read from Arrow; save them as npy"):
        LabelsFile(tmp_path / "a.arrow")


def test_without_pyarrow_the_extra_is_named(written, monkeypatch):
    path = written()
    monkeypatch.setattr("gpuae.storage.outputs.arrow.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Arrow needs .* pip install 'gpuae\[parquet\]'"):
        open_data(path)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_what_is_cut_at_any_byte_is_refused_or_told(written, tmp_path, kind):
    content = (tmp_path / written(kind, "lz4", 10)).read_bytes()
    for size in range(8, len(content), 13):
        (tmp_path / "a.arrow").write_bytes(content[:size])
        with suppress(InputError):
            dataset = open_data(str(tmp_path / "a.arrow"))
            assert kind == "stream"
            whole = size >= len(content) - 4
            assert whole or any("ends without the mark" in note for note in dataset.notes)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_what_is_changed_at_any_byte_is_refused_or_read(written, tmp_path, kind):
    content = (tmp_path / written(kind, "lz4", 10)).read_bytes()
    for place in range(0, len(content), 13):
        changed = bytes([content[place] ^ 0x81])
        (tmp_path / "a.arrow").write_bytes(content[:place] + changed + content[place + 1 :])
        with suppress(InputError):
            open_data(str(tmp_path / "a.arrow"))


def test_a_batch_that_unpacks_too_far_is_refused_before_it_is_unpacked(written, monkeypatch):
    path = written(pack="zstd", rows=1 << 20, x=np.zeros(1 << 20), y2=np.zeros(1 << 20))
    small = replace(limits.CAREFUL, free_bytes=1000, inflation=500)
    monkeypatch.setattr(limits, "_stack", [small])
    monkeypatch.setattr(pa.ipc, "open_file", lambda *_, **__: pytest.fail("was opened"))
    with pytest.raises(InputError, match=r"declares 16777216 bytes in .* 500 times more"):
        open_data(path)


def test_a_buffer_that_says_it_is_huge_is_refused(written, tmp_path):
    path = tmp_path / written(pack="lz4", rows=20, x=np.zeros(4096))
    content = path.read_bytes()
    packed = content.index(struct.pack("<q", 8 * 20))
    path.write_bytes(content[:packed] + struct.pack("<q", 1 << 50) + content[packed + 8 :])
    with pytest.raises(InputError, match=f"declares {1 << 50} bytes|times more"):
        open_data(str(path))


@pytest.mark.parametrize("name", ["a.arrow", "a.feather"])
def test_rubbish_by_that_name_is_refused(tmp_path, name):
    for content in (b"words in a file", b"\xff\xff\xff\xff" * 9, b"ARROW1\0\0", b"ARROW1\0\0" * 4):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            open_data(str(tmp_path / name))
