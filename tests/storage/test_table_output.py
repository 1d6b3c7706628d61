import csv
import errno
import gc
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import OutputError
from gpuae.importers import open_data
from gpuae.storage.kinds.features import dataset_output, features_output, scores_output
from gpuae.storage.outputs.endings import check_hdf5_name
from gpuae.storage.rows.metadata import RowMetadata

CODES = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
IDS = np.array([f"row, {i}" for i in range(50)])
LABELS = np.arange(50) % 3
ATTRIBUTES = {"model_sha256": "ff" * 32, "seed": 1}


@pytest.fixture(params=["csv", "tsv", "txt", "parquet"])
def ending(request):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return request.param


def write(path, force=False, **beside):
    output = features_output(
        path, CODES.shape, RowMetadata(**beside), force=force, attributes=ATTRIBUTES
    )
    with output as out:
        for start in (20, 0, 40):
            out.write(start, CODES[start : start + 20].astype(np.float64))


def test_codes_come_back_from_a_table_bit_for_bit(tmp_path, ending):
    path = tmp_path / f"f.{ending}"
    write(path, y=LABELS, row_id=IDS)
    read = open_data(str(path))
    np.testing.assert_array_equal(read.x, CODES)
    assert read.x.dtype == np.float32
    assert read.feature_names == ("code_0", "code_1", "code_2")
    assert read.row_id.tolist() == IDS.tolist()
    assert read.y.tolist() == LABELS.tolist()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_csv_is_made_a_few_cells_at_a_time(tmp_path, monkeypatch):
    write(tmp_path / "a.csv", y=LABELS, row_id=IDS)
    monkeypatch.setattr("gpuae.storage.outputs.csv_writer.CELLS_AT_ONCE", 10)
    write(tmp_path / "b.csv", y=LABELS, row_id=IDS)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    rows = np.zeros((100_000, 10), np.float32)
    monkeypatch.undo()
    tracemalloc.start()
    with dataset_output(tmp_path / "c.csv", rows.shape, "f4", force=False, attributes={}) as out:
        out.write(0, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * rows.nbytes


def test_csv_is_what_people_expect(tmp_path):
    with scores_output(
        tmp_path / "s.CSV", 2, RowMetadata(row_id=IDS[:2]), force=False, attributes={}
    ) as out:
        out.write(0, np.array([0.1, 1 / 3]))
    assert (tmp_path / "s.CSV").read_text() == (
        'row_id,error\n"row, 0",0.1\n"row, 1",0.3333333333333333\n'
    )
    with dataset_output(
        tmp_path / "d.csv",
        (1, 2),
        "f4",
        RowMetadata(feature_names=("a", 'b "c"')),
        force=False,
        attributes={},
    ) as out:
        out.write(0, np.array([[0.1, 2]]))
    rows = list(csv.reader((tmp_path / "d.csv").read_text().splitlines()))
    assert rows == [["a", 'b "c"'], ["0.1", "2.0"]]


def test_columns_without_names_get_numbers(tmp_path):
    with dataset_output(tmp_path / "d.csv", (1, 2), "f4", force=False, attributes={}) as out:
        out.write(0, np.zeros((1, 2)))
    assert (tmp_path / "d.csv").read_text().startswith("x_0,x_1\n")


def test_parquet_says_where_it_comes_from(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "f.parquet")
    metadata = pq.read_schema(tmp_path / "f.parquet").metadata
    assert metadata[b"kind"] == b"features"
    assert metadata[b"model_sha256"] == b"f" * 64


def test_rows_are_gathered_into_row_groups(tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("gpuae.storage.outputs.parquet_writer.GROUP_BYTES", 2 * CODES[:20].nbytes)
    write(tmp_path / "f.parquet", y=LABELS)
    assert pq.ParquetFile(tmp_path / "f.parquet").metadata.num_row_groups == 2
    assert open_data(str(tmp_path / "f.parquet")).y.tolist() == LABELS.tolist()


def test_an_interrupted_table_leaves_nothing(tmp_path, ending):
    output = features_output(tmp_path / f"f.{ending}", (50, 3), force=False, attributes={})
    with pytest.raises(KeyboardInterrupt), output as out:  # noqa: PT012
        out.write(0, CODES[:20])
        raise KeyboardInterrupt
    del output, out
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_lacks_rows_is_not_published(tmp_path, ending):
    output = features_output(tmp_path / f"f.{ending}", (50, 3), force=False, attributes={})
    with pytest.raises(RuntimeError, match=r"row 20 of .* was never written"), output as out:
        out.write(0, CODES[:20])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, ending, monkeypatch):
    output = features_output(tmp_path / f"f.{ending}", CODES.shape, force=False, attributes={})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), output as out:  # noqa: PT012
        monkeypatch.setattr(os, "pwrite", full)
        out.write(0, CODES)
        out.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_table_is_kept_unless_forced(tmp_path, ending):
    path = tmp_path / f"f.{ending}"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write(path)
    assert path.read_text() == "mine"
    write(path, force=True)
    assert open_data(str(path)).x.shape == CODES.shape


def test_two_columns_of_one_name_are_refused(tmp_path):
    names = ("row_id", "b")
    with pytest.raises(OutputError, match="named 'row_id'"):
        dataset_output(
            tmp_path / "d.csv",
            (50, 2),
            "f4",
            RowMetadata(row_id=IDS, feature_names=names),
            force=False,
            attributes={},
        )
    pytest.importorskip("pyarrow")
    with pytest.raises(OutputError, match="2 columns are named 'b'"):
        dataset_output(
            tmp_path / "d.parquet",
            (1, 2),
            "f4",
            RowMetadata(feature_names=("b", "b")),
            force=False,
            attributes={},
        )


ENDINGS = (".npy", ".XLSX", ".mat", ".json", ".gz", ".h5ad", ".nc", ".png", ".html", ".onnx")


@pytest.mark.parametrize("ending", ENDINGS)
def test_other_formats_are_not_written_as_hdf5_under_their_name(tmp_path, ending):
    with pytest.raises(OutputError, match=r"is not written; end the name in \.h5, \.csv"):
        write(tmp_path / f"f{ending}")


@pytest.mark.parametrize("name", ["f", "f.h5", "f.hdf5", "f.features"])
def test_any_other_name_is_hdf5(tmp_path, name):
    write(tmp_path / name)
    np.testing.assert_array_equal(open_data(str(tmp_path / name)).x, CODES)


def test_without_pyarrow_parquet_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("gpuae.storage.outputs.arrow.find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"pip install 'gpuae\[parquet\]'"):
        write(tmp_path / "f.parquet")


def test_what_is_only_written_as_hdf5_says_so():
    check_hdf5_name(Path("m.h5"), "a model")
    check_hdf5_name(Path("m.v2"), "a model")
    with pytest.raises(OutputError, match=r"a model is HDF5, not \.csv; end the name in \.h5"):
        check_hdf5_name(Path("m.csv"), "a model")
