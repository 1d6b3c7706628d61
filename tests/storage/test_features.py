import h5py
import numpy as np
import pytest

from gpuae.storage.dataset import open_dataset
from gpuae.storage.features import dataset_output, features_output, layer_of, scores_output

BESIDE = {"y": np.array(["a", "b", "c"]), "row_id": np.array([5, 6, 8])}
ATTRIBUTES = {"model_sha256": "ff" * 32, "seed": 1}


@pytest.fixture
def features_path(tmp_path):
    path = tmp_path / "features.h5"
    with features_output(path, (3, 2), force=False, attributes=ATTRIBUTES, **BESIDE) as out:
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
    codes = open_dataset(features_path)
    np.testing.assert_array_equal(codes.x, [[0, 1], [2, 3], [4, 5]])
    assert codes.y.tolist() == ["a", "b", "c"]
    assert codes.row_id.tolist() == [5, 6, 8]


def test_scores_are_one_float64_a_row(tmp_path):
    path = tmp_path / "scores.h5"
    with scores_output(path, 3, force=False, attributes=ATTRIBUTES, **BESIDE) as out:
        out.write(0, np.array([0.1, 0.2]))
        out.write(2, np.array([0.3]))
    with h5py.File(path) as file:
        assert file.attrs["kind"] == "scores"
        assert file["scores/error"].dtype == np.float64
        assert file["scores/error"][:].tolist() == [0.1, 0.2, 0.3]
        assert file["scores/y"].shape == file["scores/row_id"].shape == (3,)


def test_rows_made_by_a_model_are_a_data_set_again(tmp_path):
    path = tmp_path / "data.h5"
    names = ("a", "b", "c", "d")
    described = {"feature_names": names, "image_shape": (2, 2), **BESIDE}
    with dataset_output(path, (3, 4), force=False, attributes=ATTRIBUTES, **described) as out:
        out.write(0, np.ones((3, 4)))
    opened = open_dataset(path)
    assert opened.x.dtype == np.float32
    assert opened.feature_names == names
    assert opened.image_shape == (2, 2)
    assert opened.y.tolist() == ["a", "b", "c"]


def test_features_say_which_layer_they_are_of(tmp_path):
    with features_output(tmp_path / "f.h5", (1, 1), force=False, attributes={"layer": 2}) as out:
        out.write(0, np.zeros((1, 1)))
    with scores_output(tmp_path / "s.h5", 1, force=False, attributes={"layer": 2}) as out:
        out.write(0, np.zeros(1))
    assert layer_of(tmp_path / "f.h5") == 2
    assert layer_of(tmp_path / "s.h5") is None
