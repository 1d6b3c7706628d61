"""Archived files of every version of the format are read, and mean what they meant."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.compression.files import Compressed
from gpuae.encoding import classify, encode, into, reconstruct, score
from gpuae.importers import LabelsFile
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.provenance.summary import summarise

ARCHIVES = sorted((Path(__file__).parents[1] / "data").glob("v*"))
MODELS = [path for folder in ARCHIVES for path in sorted(folder.glob("model-*.h5"))]


@pytest.fixture(params=ARCHIVES, ids=lambda folder: folder.name)
def archive(request):
    return request.param


def values_beside(folder):
    return json.loads((folder / "values.json").read_text())


def test_there_are_files_of_every_kind_and_all_are_small():
    assert len(ARCHIVES) >= 1
    for folder in ARCHIVES:
        files = list(folder.glob("*.h5"))
        kinds = {summarise(InputFile(path)).kind for path in files}
        assert kinds >= {"dataset", "model", "features", "scores", "compressed"}
        assert kinds >= {"classifier", "predictions"}
        assert len([path for path in MODELS if path.parent == folder]) == 4
        assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000


def test_a_data_set(archive):
    expected = values_beside(archive)["data"]
    dataset = open_dataset(InputFile(archive / "dataset.h5"))
    np.testing.assert_array_equal(dataset.x, np.array(expected["x"], np.float32), strict=True)
    assert dataset.y.tolist() == expected["y"]
    assert dataset.row_id.tolist() == expected["row_id"]
    assert list(dataset.feature_names) == expected["feature_names"]
    assert dataset.image_shape == (2, 3)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_model_computes_what_it_computed(path):
    expected = values_beside(path.parent)
    x = np.array(expected["data"]["x"], np.float32)
    model = Model.load(path)
    assert list(model.feature_names) == expected["data"]["feature_names"]
    assert model.image_shape == (2, 3)
    assert model.attributes["source_sha256"] == "ab" * 32
    assert len(model.history["loss"]) == 3
    for name, compute in (("code", encode), ("reconstruction", reconstruct), ("error", score)):
        wanted = np.array(expected[path.stem][name])
        found = np.empty(wanted.shape)
        compute(model, x, into(found), machine=Machine("numpy"))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_features(archive):
    expected = values_beside(archive)
    features = open_dataset(InputFile(archive / "features.h5"))
    np.testing.assert_array_equal(
        features.x, np.array(expected["model-plain"]["code"], np.float32), strict=True
    )
    assert features.y.tolist() == expected["data"]["y"]
    assert features.row_id.tolist() == expected["data"]["row_id"]


def test_a_classifier_and_what_it_predicts(archive):
    expected = values_beside(archive)["data"]
    wanted = np.array(json.loads((archive / "classifier.json").read_text()))
    known = Model.load(archive / "classifier.h5")
    assert known.classification.classes.tolist() == ["cat", "dög"]
    assert known.classification.config.head_epochs == 2
    assert known.history["stage"].tolist() == [1, 1, 2, 2, 2]
    found = np.empty(wanted.shape)
    classify(known, np.array(expected["x"], np.float32), into(found), machine=Machine("numpy"))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    with h5py.File(archive / "predictions.h5") as file:
        own = file["/predictions"]
        np.testing.assert_array_equal(own["class_index"][:], wanted.argmax(axis=1))
        np.testing.assert_array_equal(own["probability"][:], wanted.astype(np.float32))
        assert own["classes"].asstr()[:].tolist() == ["cat", "dög"]
        assert own["row_id"][:].tolist() == expected["row_id"]


def test_scores(archive):
    found = LabelsFile(f"{archive}/scores.h5::/scores/error").load(0)
    np.testing.assert_array_equal(found, values_beside(archive)["model-plain"]["error"])
    assert summarise(InputFile(archive / "scores.h5")).kind == "scores"


def test_compressed_rows(archive):
    """Nothing but the file is needed: its decoder was a tied one."""
    expected = np.array(json.loads((archive / "compressed.json").read_text()))
    compressed = Compressed(InputFile(archive / "compressed.h5"))
    again = np.empty(compressed.shape)
    compressed.rows(into(again), machine=Machine("numpy"))
    np.testing.assert_allclose(again, expected, rtol=1e-4, atol=1e-5)
    assert compressed.row_type == np.float32
    described = values_beside(archive)["data"]
    assert compressed.metadata.y.tolist() == described["y"]
    assert compressed.metadata.row_id.tolist() == described["row_id"]
    assert list(compressed.model.feature_names) == described["feature_names"]
    assert compressed.model.image_shape == (2, 3)
