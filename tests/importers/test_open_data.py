import gzip
import lzma
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, ReadOptions, open_data
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset, write_dataset
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.row_blocks import check_finite

ROWS = np.arange(12, dtype=np.uint8).reshape(4, 3)
IDX = b"\0\0\x08\x02\0\0\0\x04\0\0\0\x03" + ROWS.tobytes()
IDX_LABELS = b"\0\0\x08\x01\0\0\0\x04" + bytes([3, 1, 2, 0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_dataset(
        Path("own.h5"), Dataset(ROWS, "rows", metadata=RowMetadata(y=np.arange(4))), force=False
    )
    with h5py.File("any.h5", "w") as file:
        file["deep/x"] = ROWS
        file["deep/y"] = ["a", "b", "c", "d"]
    Path("rows-idx2-ubyte").write_bytes(IDX)
    Path("rows-idx2-ubyte.gz").write_bytes(gzip.compress(IDX))
    Path("labels-idx1-ubyte.gz").write_bytes(gzip.compress(IDX_LABELS))
    np.save("rows.npy", ROWS)
    np.savez("rows.npz", x=ROWS, other=np.zeros((2, 2)))
    np.save("labels.npy", [3, 1, 2, 0])
    np.save("words.npy", np.array([b"d", b"b", b"c", b"a"]))
    Path("rows.csv").write_text("a,b,c\n0,1,2\n3,4,5\n6,7,8\n9,10,11\n")
    Path("labels.csv").write_text("label\n3\n1\n2\n0\n")
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    ["own.h5", "own.h5::/data/x", "any.h5::deep/x", "rows-idx2-ubyte", "rows-idx2-ubyte.gz",
     "rows.npy", "rows.npz", "rows.npz::x", "rows.csv"],
)  # fmt: skip
def test_rows_of_every_format_are_the_same(folder, spec):
    np.testing.assert_array_equal(open_data(spec).x, ROWS)


@pytest.mark.parametrize(
    "name", ["own.h5", "rows-idx2-ubyte", "rows-idx2-ubyte.gz", "rows.npy", "rows.npz"]
)
def test_formats_are_recognised_by_content_whatever_the_name(folder, name):
    new = "data.csv" if not name.endswith("gz") else "data.idx.gz"
    shutil.copy(name, new)
    np.testing.assert_array_equal(open_data(new).x, ROWS)


@pytest.mark.parametrize("name", ["rows.tsv", "rows.txt", "ROWS.CSV"])
def test_text_is_recognised_by_its_ending(folder, name):
    shutil.copy("rows.csv", name)
    np.testing.assert_array_equal(open_data(name).x, ROWS)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    digits = open_data("digits")
    np.testing.assert_array_equal(digits.x, x)
    np.testing.assert_array_equal(digits.y, y)


def test_digits_are_built_in_and_no_file_shadows_them(folder):
    np.save("digits.npy", ROWS)
    Path("digits.npy").rename("digits")
    digits = open_data("digits")
    assert digits.x.shape == (1797, 64)
    assert digits.x.dtype == np.float32
    assert digits.x.max() == 16
    assert digits.image_shape == (8, 8)
    assert digits.y[:3].tolist() == [0, 1, 2]
    assert digits.feature_names is None
    assert digits.source_path is None
    np.testing.assert_array_equal(open_data("./digits").x, ROWS)


def test_a_name_with_two_colons_is_a_file_where_there_is_one(folder):
    shutil.copy("rows.npy", "odd::name.npy")
    np.testing.assert_array_equal(open_data("odd::name.npy").x, ROWS)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("labels-idx1-ubyte.gz", [3, 1, 2, 0]),
        ("labels.npy", [3, 1, 2, 0]),
        ("words.npy", ["d", "b", "c", "a"]),
        ("labels.csv", [3, 1, 2, 0]),
        ("any.h5::/deep/y", ["a", "b", "c", "d"]),
        ("own.h5", [0, 1, 2, 3]),
    ],
)
def test_labels_come_from_a_file_of_their_own(folder, labels, expected):
    dataset = open_data("rows.npy", LabelsFile(Path(labels)))
    assert dataset.y.tolist() == expected
    np.testing.assert_array_equal(dataset.x, ROWS)


@pytest.mark.parametrize(
    ("spec", "labels", "message"),
    [
        ("digits", "labels.npy", "holds 4 labels for the 1797 rows of digits"),
        ("rows.npy", "rows.npy", r"has shape \(4, 3\) where one label a row"),
        ("rows.npy", "rows.npz", "labels are not read from npz"),
        ("rows.npy", "any.h5", r"any\.h5::/data/y: is not in the file; give FILE::/PATH"),
        ("rows.npy", "none.npy", "there is no such file"),
        ("rows.npy", "labels.npy::x", "nothing to choose from by ::x"),
        ("labels-idx1-ubyte.gz", None, "labels it seems"),
        ("none.csv", None, r"none\.csv: there is no such file"),
        (".", None, "is a folder"),
        (".", None, r"give a file in it, or cut its images into rows .* convert .* --patches 8x8"),
        ("any.h5", None, r"is not a gpuae data set; give FILE::/PATH.*any\.h5::/deep/x \(4, 3\)"),
        ("any.h5::/deep/z", None, r"is not in the file.*any\.h5::/deep/x"),
        ("any.h5::/deep/y", None, "holds text"),
        ("any.h5::", None, "names nothing after ::"),
        ("rows.npy::x", None, "nothing to choose from by ::x"),
        ("rows.npz::y", None, r"no array 'y'; the arrays in it are x \(4, 3\) uint8, other"),
        ("fake.h5", None, "is not an HDF5 file"),
        ("fake.npy", None, "cannot be read"),
        ("fake.npz", None, "cannot be read"),
        ("fake-idx3-ubyte", None, "is not an idx file, it begins with 77 6f 72 64"),
        ("fake.gz", None, "is not an idx file|cannot be unpacked"),
        ("fake.pdf", None, "is in none of the formats that are read: HDF5, idx"),
        ("empty.csv", None, "is empty"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(folder, spec, labels, message):
    for name in ("fake.h5", "fake.npy", "fake.npz", "fake-idx3-ubyte", "fake.gz", "fake.pdf"):
        Path(name).write_text("words in a file")
    Path("empty.csv").touch()
    with pytest.raises(InputError, match=message) as caught:
        open_data(spec, None if labels is None else LabelsFile(Path(labels)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "member", "message"),
    [
        ("a.xlsx", "xl/workbook.xml", "is an Excel workbook; save its sheet as csv"),
        ("a.ods", "content.xml", "is an office document; save its sheet as csv"),
        ("a.csv.zip", "a.csv", "begins with 'a.csv'; unpack it and give the file in it"),
    ],
)
def test_archives_without_arrays_are_refused_by_what_they_are(folder, name, member, message):
    with zipfile.ZipFile(name, "w") as archive:
        archive.writestr(member, "a,b")
    with pytest.raises(InputError, match=message):
        open_data(name)


@pytest.mark.parametrize("name", ["rows.dat", "rows.tab", "rows.data"])
def test_tables_have_many_endings(folder, name):
    shutil.copy("rows.csv", name)
    np.testing.assert_array_equal(open_data(name).x, ROWS)
    Path(f"{name}.xz").write_bytes(lzma.compress(Path(name).read_bytes()))
    np.testing.assert_array_equal(open_data(f"{name}.xz").x, ROWS)


def test_options_of_text_are_refused_for_anything_else(folder):
    for options in (
        ReadOptions(header=False),
        ReadOptions(decimal=","),
        ReadOptions(na_values="?"),
    ):
        with pytest.raises(
            InputError, match=r"rows\.npy: --.* is for tables of text; leave it out"
        ):
            open_data("rows.npy", options=options)


def test_what_was_imported_can_be_converted_and_checked(folder):
    dataset = open_data("rows.csv")
    check_finite(dataset.x, dataset.source)
    write_dataset(Path("new.h5"), dataset, force=False)
    converted = open_dataset(InputFile(Path("new.h5")))
    np.testing.assert_array_equal(converted.x, ROWS)
    assert converted.feature_names == ("a", "b", "c")


def test_real_images_keep_labels_and_shape_through_hdf5(shared_data, tmp_path):
    folder = shared_data / "fashion-mnist"
    dataset = open_data(
        str(folder / "t10k-images-idx3-ubyte.gz"),
        LabelsFile(folder / "t10k-labels-idx1-ubyte.gz"),
    )
    write_dataset(tmp_path / "a.h5", dataset, force=False)
    opened = open_dataset(InputFile(tmp_path / "a.h5"))
    np.testing.assert_array_equal(opened.x, dataset.x)
    assert opened.image_shape == (28, 28)
    assert np.bincount(opened.y).tolist() == [1000] * 10
