from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.config import Config
from gpuae.storage.kinds.model_contents import LayerArrays, ModelContents
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata


@pytest.fixture
def rows():
    return np.random.default_rng(0).random((7, 6), np.float32)


@pytest.fixture
def full_dataset(rows):
    return Dataset(
        rows,
        "made for a test",
        metadata=RowMetadata(
            y=np.array(["cat", "dög", "", "cat", "x", "y", "z"]),
            feature_names=("a", "b", "ü", "", "e", "f"),
            row_id=np.arange(10, 17, dtype=np.int32),
            image_shape=(2, 3),
        ),
    )


@pytest.fixture
def model_of():
    """A function that makes a model of 6 columns, 4 hidden units and a code of 2."""
    return _model


def _model(**replaced):
    random = np.random.default_rng(1)

    def layer(n_in, n_out, *, tied=False):
        weight = None if tied else random.random((n_in, n_out), np.float32)
        return LayerArrays(weight, random.random(n_out, np.float32))

    tied = replaced.pop("tied", False)
    parts = {
        "config": Config(hidden=(4, 2), decoder="tied" if tied else "untied"),
        "encoder": (layer(6, 4), layer(4, 2)),
        "decoder": (layer(2, 4, tied=tied), layer(4, 6, tied=tied)),
        "preprocess": {
            "center": random.random(6),
            "factor": np.ones(6),
            "clip_low": np.array(-np.inf),
            "clip_high": np.array(np.inf),
            "low": np.zeros(6),
            "high": np.ones(6),
        },
        "history": {"epoch": np.arange(1, 4), "loss": np.array([3.0, 2.0, 1.0])},
        "attributes": {"seed": 2**64 - 1, "device": "cpu", "source_sha256": "ab" * 32},
        "feature_names": tuple("abcdef"),
        "image_shape": (2, 3),
    }
    return ModelContents(**{**parts, **replaced})


@pytest.fixture
def edit():
    """A function that opens an HDF5 file for changing it by hand."""

    def opened(path: Path) -> h5py.File:
        return h5py.File(path, "r+")

    return opened
