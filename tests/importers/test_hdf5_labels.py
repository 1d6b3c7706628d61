"""Labels beside the rows of anyone's HDF5 file, and in the columns of AnnData's tables."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.importers.roles import LABEL_NAMES
from gpuae.storage.files import limits

X = np.arange(12.0).reshape(4, 3)
KINDS = [3, 1, 3, 2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.h5"


def written(path, **datasets):
    with h5py.File(path, "w") as file:
        file["deep/spectra"] = X
        for name, values in datasets.items():
            file[f"deep/{name}"] = values
    return f"{path}::/deep/spectra"


@pytest.mark.parametrize("name", [*LABEL_NAMES, "Label"])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4)])
def test_a_vector_named_as_labels_beside_the_rows_becomes_the_labels(path, name, shape):
    dataset = open_data(written(path, **{name: np.reshape(KINDS, shape)}))
    assert dataset.y.tolist() == KINDS
    assert dataset.notes == (f"{path}::/deep/{name} is taken as the labels y",)


def test_labels_may_be_text(path):
    assert open_data(written(path, label=["a", "b", "a", "é"])).y.tolist() == ["a", "b", "a", "é"]


def test_what_has_another_length_or_lies_elsewhere_is_something_else(path):
    spec = written(path, y=np.arange(3), label=X)
    with h5py.File(path, "r+") as file:
        file["target"] = KINDS
    dataset = open_data(spec)
    assert dataset.y is None
    assert dataset.notes == ()


def test_rows_are_not_their_own_labels(path):
    with h5py.File(path, "w") as file:
        file["y"] = np.ones((4, 1))
    assert open_data(f"{path}::/y").y is None


def test_labels_that_cannot_be_read_are_left_out_and_this_is_told(path):
    spec = written(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("deep/y", (4,), "i4", chunks=(2,))
        file["deep/label"] = h5py.SoftLink("/deep/spectra")
    dataset = open_data(spec)
    assert dataset.y is None
    (note,) = dataset.notes
    assert note.startswith(f"labels are left out: {path}::/deep/y: was declared but")


def test_labels_that_are_given_win_and_this_is_told(path, tmp_path):
    np.save(tmp_path / "own.npy", [7, 7, 8, 8])
    dataset = open_data(written(path, y=KINDS), LabelsFile(tmp_path / "own.npy"))
    assert dataset.y.tolist() == [7, 7, 8, 8]
    assert "not those beside the rows" in dataset.notes[-1]


COLUMNS = {
    "vector": (lambda group: group.create_dataset("label", data=KINDS), KINDS),
    "categories": (
        lambda group: _categories(group, [0, 1, 0, -1], ["T", "B"]),
        ["T", "B", "T", ""],
    ),
    "numbers": (lambda group: _categories(group, [1, 0, 1, 0], [5, 7]), [7, 5, 7, 5]),
    "nullable": (
        lambda group: _nullable(group, ["a", "b", "c", "d"], [False, True, False, False]),
        ["a", "", "c", "d"],
    ),
    "before 0.8": (lambda group: _old(group, [1, 0, 1, 0], ["x", "y"]), ["y", "x", "y", "x"]),
}


def _categories(group, codes, categories):
    column = group.create_group("label")
    column["codes"] = np.array(codes, "i1")
    column["categories"] = categories


def _nullable(group, values, mask):
    column = group.create_group("label")
    column["values"], column["mask"] = values, mask


def _old(group, codes, categories):
    group["label"] = np.array(codes, "i1")
    group["__categories/label"] = categories


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_labels_of_anndata_becomes_the_labels(path, write_h5ad, kind):
    write, expected = COLUMNS[kind]
    write_h5ad(path, {"X": X})
    with h5py.File(path, "r+") as file:
        write(file["obs"])
    dataset = open_data(str(path))
    assert dataset.y.tolist() == expected
    assert dataset.notes == (f"{path}::/obs/label is taken as the labels y",)
    np.save(path.with_suffix(".npy"), X)
    for spec in (path, Path(f"{path}::/obs/label")):
        given = open_data(str(path.with_suffix(".npy")), LabelsFile(spec))
        assert given.y.tolist() == expected


def test_anndata_without_labels_says_which_it_could_be_given(path, write_h5ad):
    write_h5ad(path, {"X": X})
    assert open_data(str(path)).y is None
    with pytest.raises(InputError, match="give FILE::/obs/NAME"):
        LabelsFile(path).load(4)


@pytest.mark.parametrize(
    ("codes", "categories", "message"),
    [
        ([0, 1, 2, 0], ["a", "b"], "codes outside its 2 categories"),
        ([0, 1, -2, 0], ["a", "b"], "codes outside its 2 categories"),
        ([[0, 1], [1, 0]], ["a", "b"], "no list of integers"),
        ([0, 1, -1, 0], [5, 7], "lacks some of its numbers"),
    ],
)
def test_codes_that_fit_no_category_are_refused(path, write_h5ad, codes, categories, message):
    write_h5ad(path, {"X": X})
    with h5py.File(path, "r+") as file:
        _categories(file["obs"], codes, categories)
    with pytest.raises(InputError, match=message):
        LabelsFile(Path(f"{path}::/obs/label")).load(4)
    assert message in open_data(str(path)).notes[-1]


def test_one_long_text_in_many_rows_is_refused_before_it_is_repeated(path, write_h5ad, monkeypatch):
    small = limits.CAREFUL.__class__(**{**vars(limits.CAREFUL), "text_bytes": 4000})
    monkeypatch.setattr(limits, "_stack", [small])
    write_h5ad(path, {"X": X})
    with h5py.File(path, "r+") as file:
        _categories(file["obs"], [0, 0, 0, 0], ["z" * 900])
    with pytest.raises(InputError, match="of text; shorten it"):
        LabelsFile(Path(f"{path}::/obs/label")).load(4)
