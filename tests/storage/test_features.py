from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.kinds.features import dataset_output, features_output, layer_of, scores_output
from gpuae.storage.rows.metadata import RowMetadata

METADATA = RowMetadata(y=np.array(["a", "b", "c"]), row_id=np.array([5, 6, 8]))
ATTRIBUTES = {"model_sha256": "ff" * 32, "seed": 1}


@pytest.fixture
def features_path(tmp_path):
    path = tmp_path / "features.h5"
    with features_output(
        path, (3, 2), force=False, attributes=ATTRIBUTES, metadata=METADATA
    ) as out:
        out.write(0, np.arange(6, dtype=np.float64).reshape(3, 2))
    return path


def test_features_have_the_layout_of_the_specification(features_path):
    with h5py.File(features_path) as file:
        assert file.attrs["kind"] == "features"
        assert file.attrs["model_sha256"] == "ff" * 32
        assert file["features/code"].dtype == np.float32
        assert file["features/code"].chunks is None
        assert file["features/y"].asstr()[:].tolist() == ["a", "b", "c"]
        assert file["features/row_id"][:].tolist() == [5, 6, 8]


def test_features_are_rows_with_their_labels(features_path):
    codes = open_dataset(InputFile(features_path))
    np.testing.assert_array_equal(codes.x, [[0, 1], [2, 3], [4, 5]])
    assert codes.y.tolist() == ["a", "b", "c"]
    assert codes.row_id.tolist() == [5, 6, 8]


def test_scores_are_one_float64_a_row(tmp_path):
    path = tmp_path / "scores.h5"
    with scores_output(path, 3, force=False, attributes=ATTRIBUTES, metadata=METADATA) as out:
        out.write(0, np.array([0.1, 0.2]))
        out.write(2, np.array([0.3]))
    with h5py.File(path) as file:
        assert file.attrs["kind"] == "scores"
        assert file["scores/error"].dtype == np.float64
        assert file["scores/error"][:].tolist() == [0.1, 0.2, 0.3]
        assert file["scores/y"].shape == file["scores/row_id"].shape == (3,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_made_by_a_model_are_a_data_set_again(tmp_path, dtype):
    path = tmp_path / "data.h5"
    names = ("a", "b", "c", "d")
    metadata = replace(METADATA, feature_names=names, image_shape=(2, 2))
    settings = {"force": False, "attributes": ATTRIBUTES}
    with dataset_output(path, (3, 4), dtype, metadata, **settings) as out:
        out.write(0, np.full((3, 4), 1 / 3))
    opened = open_dataset(InputFile(path))
    np.testing.assert_array_equal(opened.x, np.full((3, 4), 1 / 3, dtype), strict=True)
    assert opened.feature_names == names
    assert opened.image_shape == (2, 2)
    assert opened.y.tolist() == ["a", "b", "c"]


def test_features_say_which_layer_they_are_of(tmp_path):
    with features_output(tmp_path / "f.h5", (1, 1), force=False, attributes={"layer": 2}) as out:
        out.write(0, np.zeros((1, 1)))
    with scores_output(tmp_path / "s.h5", 1, force=False, attributes={"layer": 2}) as out:
        out.write(0, np.zeros(1))
    assert layer_of(InputFile(tmp_path / "f.h5")) == 2
    assert layer_of(InputFile(tmp_path / "s.h5")) is None


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)


@st.composite
def described(draw, rows):
    """Return labels and row ids: numbers, strings or none."""
    numbers = hnp.arrays(draw(st.sampled_from(["u1", "i8", "f4", "f8"])), rows)
    strings = st.lists(TEXT, min_size=rows, max_size=rows).map(lambda cells: np.array(cells, "U9"))
    return {name: draw(numbers | strings | st.none()) for name in ("y", "row_id")}


def assert_beside(folder, beside):
    for name, values in beside.items():
        assert (name in folder) == (values is not None)
        if values is not None and values.dtype.kind == "U":
            assert folder[name].asstr()[:].tolist() == values.tolist()
        elif values is not None:
            np.testing.assert_array_equal(folder[name], values)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays("f4", hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)), st.data())
def test_any_features_come_back(tmp_path_factory, codes, data):
    beside = data.draw(described(len(codes)))
    path = tmp_path_factory.mktemp("features") / "a.h5"
    with features_output(
        path, codes.shape, force=False, attributes={}, metadata=RowMetadata(**beside)
    ) as out:
        out.write(0, codes)
    opened = open_dataset(InputFile(path))
    np.testing.assert_array_equal(opened.x, codes, strict=True)
    with h5py.File(path) as file:
        assert_beside(file["features"], beside)
    for name, values in beside.items():
        found = getattr(opened, name)
        assert (found is None) == (values is None)
        if values is not None:
            np.testing.assert_array_equal(found, values)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays("f8", hnp.array_shapes(max_dims=1, max_side=9)), st.data())
def test_any_scores_come_back(tmp_path_factory, errors, data):
    beside = data.draw(described(len(errors)))
    path = tmp_path_factory.mktemp("scores") / "a.h5"
    with scores_output(
        path, len(errors), force=False, attributes={}, metadata=RowMetadata(**beside)
    ) as out:
        out.write(0, errors)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["scores/error"], errors)
        assert_beside(file["scores"], beside)
