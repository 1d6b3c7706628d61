from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import ReadOptions, open_data
from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

ROWS = np.arange(12, dtype=np.uint8).reshape(4, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = Dataset(
        ROWS, "rows", metadata=RowMetadata(y=np.arange(4), feature_names=("a", "b", "label"))
    )
    write_dataset(Path("named.h5"), named, force=False)
    np.save("rows.npy", ROWS)
    return tmp_path


@pytest.mark.parametrize("source", ["named.h5", "rows.npy"])
def test_columns_of_any_format_are_chosen_by_number(folder, source):
    dataset = open_data(source, options=ReadOptions(columns="3,1"))
    np.testing.assert_array_equal(dataset.x, ROWS[:, [2, 0]])
    assert dataset.x.dtype == np.uint8
    assert dataset.x.flags.c_contiguous


def test_names_go_with_their_columns_and_labels_stay(folder):
    dataset = open_data("named.h5", options=ReadOptions(columns="label,a"))
    np.testing.assert_array_equal(dataset.x, ROWS[:, [2, 0]])
    assert dataset.feature_names == ("label", "a")
    assert dataset.y.tolist() == [0, 1, 2, 3]


def test_the_columns_of_a_model_are_found_and_this_is_told(folder):
    wanted = ReadOptions(names=("label", "a", "b"), names_of="m.h5")
    dataset = open_data("named.h5", options=wanted)
    np.testing.assert_array_equal(dataset.x, ROWS[:, [2, 0, 1]])
    assert dataset.notes == ("the columns are taken by name, in the order of m.h5",)
    same = open_data("named.h5", options=ReadOptions(names=("a", "b", "label"), names_of="m.h5"))
    assert same.notes == ()


def test_rows_without_names_are_taken_as_they_are(folder):
    wanted = ReadOptions(names=("z", "a"), names_of="m.h5")
    np.testing.assert_array_equal(open_data("rows.npy", options=wanted).x, ROWS)


def test_an_image_that_lost_columns_is_none(folder):
    assert open_data("digits").image_shape == (8, 8)
    assert open_data("digits", options=ReadOptions(columns="1-16")).image_shape is None


@pytest.mark.parametrize("option", [{"id_column": "a"}, {"label_column": "a"}])
@pytest.mark.parametrize("source", ["named.h5", "rows.npy", "digits"])
def test_only_tables_have_columns_that_are_something_else(folder, source, option):
    with pytest.raises(InputError, match="only tables, csv or parquet"):
        open_data(source, options=ReadOptions(**option))
