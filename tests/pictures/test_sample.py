"""Which rows a picture shows, and what is said of it; pictures as JSON and tiles as an image."""

import json

import h5py
import numpy as np
import pytest

from gpuae.pictures.mosaic import mosaic
from gpuae.pictures.picture import Axes, Level, Lines, Picture, Series, Tiles, as_json
from gpuae.pictures.sample import Sample
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata


def data(rows=20, **beside):
    return Dataset(
        np.arange(3 * rows, dtype=np.float32).reshape(rows, 3), "X", RowMetadata(**beside)
    )


def test_few_rows_are_all_shown():
    sample = Sample.of(data(), 20)
    np.testing.assert_array_equal(sample.x, data().x)
    assert not sample.drawn
    assert sample.notes == ()


def test_of_many_rows_a_part_is_drawn_without_repetition_and_in_order_and_that_is_said():
    sample = Sample.of(data(5000, y=np.arange(5000)), 100)
    assert len(sample.x) == 100
    assert (np.diff(sample.numbers) > 0).all()
    np.testing.assert_array_equal(sample.x[:, 0], 3 * sample.numbers)
    np.testing.assert_array_equal(sample.y, sample.numbers)
    assert sample.notes == ("shown are 100 of 5,000 rows, drawn at random",)
    np.testing.assert_array_equal(Sample.of(data(5000), 100).numbers, sample.numbers)


def test_drawn_rows_come_from_everywhere():
    numbers = Sample.of(data(5000), 500).numbers
    assert np.histogram(numbers, 10, (0, 5000))[0].min() > 25


def test_rows_that_are_asked_for_come_in_the_order_asked_for():
    sample = Sample.of(data(), 5, np.array([7, 2, 7]))
    np.testing.assert_array_equal(sample.x[:, 0], [21, 6, 21])
    assert sample.notes == ()
    assert sample.part(np.array([1])).names() == ("row 2",)


@pytest.mark.parametrize("storage", [{}, {"chunks": (7, 2), "compression": "gzip"}])
def test_rows_are_drawn_from_files_that_are_read_by_blocks(tmp_path, storage):
    x = data(900).x
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, **storage)
    stored = open_dataset(InputFile(tmp_path / "x.h5"), "/x", memory=1)
    sample = Sample.of(stored, 40)
    np.testing.assert_array_equal(sample.x, x[sample.numbers])


def test_rows_are_called_by_their_id_and_label():
    ids, labels = np.array(["a", "b"], object), np.array([3, 4])
    sample = Sample.of(data(2, y=labels, row_id=ids), 5)
    assert sample.names() == ("a (3)", "b (4)")
    numbers = data(3, y=np.array([346.0, 0.5, np.nan]))
    assert Sample.of(numbers, 5).names() == ("row 0 (346)", "row 1 (0.5)", "row 2 (nan)")
    assert Sample.of(data(2), 5).names() == ("row 0", "row 1")


def test_a_picture_is_json_with_null_for_what_is_no_number():
    series = Series("loss", np.array([1.0, 2.0]), np.array([np.nan, 0.5]))
    lines = Lines("", Axes("epoch", "loss"), (series,), (Level("PCA", np.inf),))
    value = json.loads(json.dumps(as_json(Picture("all", (lines,), "falls")), allow_nan=False))
    assert value["kind_of"] == "Picture"
    (panel,) = value["panels"]
    assert panel["kind_of"] == "Lines"
    assert panel["series"][0]["y"] == [None, 0.5]
    assert panel["levels"][0]["value"] is None


@pytest.mark.parametrize("colours", [(), (3,)])
def test_tiles_become_one_image_with_gaps(colours):
    images = np.arange(1.0, 4.0).reshape(3, 1, 1, *(1 for _ in colours))
    images = np.broadcast_to(images, (3, 2, 2, *colours))
    whole = mosaic(Tiles("", images, across=2, low=1.0, high=5.0))
    assert whole.shape == (5, 5, *colours)
    assert (whole[:2, :2] == 0.0).all()
    assert (whole[:2, 3:] == 0.25).all()
    assert (whole[3:, :2] == 0.5).all()
    assert np.isnan(whole[2]).all()
    assert np.isnan(whole[3:, 3:]).all()


def test_what_is_out_of_range_is_black_or_white():
    images = np.array([[[-9.0, 9.0]]])
    np.testing.assert_array_equal(mosaic(Tiles("", images, across=1)), [[0.0, 1.0]])
