"""Rows in safetensors, as its own library writes them, and files that lie."""

import json
import pickle
import struct

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.importers import safetensors as importer
from gpuae.storage.rows.casts import CastRows

ml_dtypes = pytest.importorskip("ml_dtypes")
library = pytest.importorskip("safetensors.numpy")

ROWS = np.random.default_rng(0).standard_normal((20, 3)) * 50


@pytest.fixture
def written(tmp_path):
    """A function that has the library write arrays, and returns the file's name."""

    def write(name="a.safetensors", metadata=None, **arrays):
        library.save_file(arrays, tmp_path / name, metadata)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    "dtype",
    ["f4", "f8", "f2", ml_dtypes.bfloat16, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"],
)
def test_every_type_keeps_its_values(written, dtype):
    rows = np.abs(ROWS).astype(dtype)
    dataset = open_data(written(x=rows))
    assert dataset.x.tolist() == rows.astype(np.float64).tolist()
    assert dataset.x.flags.c_contiguous


def test_rows_are_mapped_and_half_precision_is_changed_as_it_is_read(written):
    path = written(x=ROWS.astype("f4"), half=ROWS.astype("f2"))
    assert isinstance(open_data(f"{path}::x").x, np.memmap)
    half = open_data(f"{path}::half", memory=0).x
    assert isinstance(half, CastRows)
    np.testing.assert_array_equal(half[2:9], ROWS[2:9].astype("f2").astype("f4"))


def test_one_matrix_is_the_rows_and_a_vector_of_labels_the_labels(written):
    labels = np.arange(20) % 3
    dataset = open_data(written(metadata={"made": "here"}, code=ROWS, label=labels))
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.y.tolist() == labels.tolist()
    assert dataset.notes == ("the array 'label' is taken as the labels y",)


def test_of_several_matrices_one_is_named_or_the_file_refused(written):
    path = written(one=ROWS, two=ROWS[:, :2])
    with pytest.raises(InputError, match=r"FILE::NAME .* one \(20, 3\) float64, two \(20, 2\)"):
        open_data(path)
    assert open_data(f"{path}::two").x.shape == (20, 2)
    with pytest.raises(InputError, match="holds no array 'three'; the arrays in it are"):
        open_data(f"{path}::three")


def test_a_file_is_known_by_its_beginning_whatever_its_name(written):
    path = written("rows.bin", x=ROWS)
    np.testing.assert_array_equal(open_data(path).x, ROWS)


def test_a_description_as_long_as_a_pickle_begins_is_no_pickle(tmp_path):
    described = {"x": {"dtype": "U8", "shape": [1, 1], "data_offsets": [0, 1]}}
    (tmp_path / "a.st").write_bytes(content(json.dumps(described).ljust(0x280), b"\7"))
    assert open_data(str(tmp_path / "a.st")).x.tolist() == [[7]]


def test_labels_are_not_read_from_it(written, tmp_path):
    written("y.safetensors", y=np.arange(3))
    with pytest.raises(InputError, match="labels are not read from safetensors; save them as npy"):
        LabelsFile(tmp_path / "y.safetensors")


def content(described, values=bytes(8)):
    """Return a file with a description, which may be anything, and bytes behind it."""
    text = described if isinstance(described, str) else json.dumps(described)
    return struct.pack("<Q", len(text.encode())) + text.encode() + values


def array(kind="F32", shape=(1, 2), places=(0, 8)):
    return {"dtype": kind, "shape": shape, "data_offsets": places}


LIES = {
    "beyond the file": ({"x": array(shape=(2, 2), places=(0, 16))}, "has 8|has .* bytes where"),
    "shape and place": ({"x": array(shape=(2, 2))}, "gives 'x' 8 bytes for F32 of shape"),
    "backwards": ({"x": array("F8", (0, 0), (8, 0)), "y": array()}, "of no array, or of two"),
    "overlap": ({"x": array(), "y": array(shape=(1, 1), places=(4, 8))}, "of no array, or of two"),
    "a hole": ({"x": array(shape=(1, 1), places=(4, 8))}, "bytes that are of no array"),
    "left over": ({"x": array(shape=(1, 1), places=(0, 4))}, "where its arrays end at"),
    "negative": ({"x": array(shape=(-1, -2))}, "without its type, shape and place"),
    "overflow": ({"x": array(shape=(2**62, 4))}, "gives 'x' 8 bytes"),
    "nothing of too much": ({"x": array(shape=(0, 2**62), places=(0, 0))}, "gives 'x' 0 bytes"),
    "many axes": ({"x": array(shape=(2, *(1,) * 70))}, "gives 'x' 8 bytes"),
    "truth": ({"x": array(shape=(True, 2))}, "without its type"),
    "no places": ({"x": {"dtype": "F32", "shape": (1, 2)}}, "without its type"),
    "no object": ({"x": 3}, "without its type"),
    "twice": ('{"x": 1, "x": 2}', "a name is there twice"),
    "cut": ('{"x": ', "is no JSON"),
    "nested": ('{"x": ' + "[" * 100_000, "is no JSON"),
    "unknown type": ({"x": array("F8_E4M3", (2, 4))}, "holds F8_E4M3 values where"),
    "no arrays": ({}, "has .* bytes where its arrays end"),
}


@pytest.mark.parametrize(("described", "message"), LIES.values(), ids=LIES)
def test_a_description_that_lies_is_refused(tmp_path, described, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content(described))
    with pytest.raises(InputError, match=rf"a\.safetensors.*({message})") as caught:
        open_data(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_cut_at_any_byte_is_refused(written, tmp_path):
    whole = (tmp_path / written(x=ROWS[:2].astype("f4"))).read_bytes()
    for size in range(1, len(whole)):
        (tmp_path / "a.safetensors").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"a\.safetensors: cannot be read as safetensors"):
            open_data(str(tmp_path / "a.safetensors"))


def test_a_description_longer_than_the_format_allows_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(importer, "LONGEST_HEADER", 50)
    (tmp_path / "a.safetensors").write_bytes(content("{" + " " * 50 + "}"))
    with pytest.raises(InputError, match="is described by 52 bytes"):
        open_data(str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pkl"])
def test_a_pickle_is_never_opened(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(ROWS))
    with pytest.raises(InputError, match="is a pickle of Python's, which could run any program"):
        open_data(str(tmp_path / name))


def test_an_empty_array_is_refused(written):
    with pytest.raises(InputError, match="is empty, its shape is"):
        open_data(written(x=np.zeros((0, 3))))
