"""Models that are trained in a moment, and pages about them."""

from dataclasses import replace

import numpy as np
import pytest
from hostile import NAMES

from gpuae.config import Config
from gpuae.machine import Machine
from gpuae.report.subject import Subject
from gpuae.storage.provenance.lineage import SourceFile
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.training.calibrating import fit_calibrated

QUICK = {
    **{"hidden": (2,), "depth": 1, "activation": "identity", "init": "pca", "scale": "standard"},
    **{"epochs": 2, "folds": 1, "batch_size": 32, "dtype": "float64", "patience": 0},
}


@pytest.fixture(scope="session")
def x():
    """Rows (120, 6) of two hidden numbers and noise, the last of them far out in column 3."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(120, 2)) @ random.normal(size=(2, 6))
    rows += 0.2 * random.normal(size=rows.shape)
    rows[-1, 3] += 10
    return rows


@pytest.fixture(scope="session")
def subject_of(x):
    """A function that trains a model by some settings and gives it with its rows."""

    def make(names=None, y=None, rows=x, **settings):
        config = Config.parse(QUICK | settings)
        model = fit_calibrated(x, config, feature_names=names).model
        data = Dataset(rows, "rows.npy", metadata=RowMetadata(y=y, feature_names=names))
        return subject(model, data)

    return make


@pytest.fixture(scope="session")
def usual(subject_of):
    """A model as good as PCA, and the rows it was trained on."""
    return subject_of(names=NAMES, contamination=0.05)


def subject(model, data, **others):
    """Put a model and rows together as `gpuae report` does."""
    machine = Machine("cpu", 1)
    file, source = (SourceFile(role=role, name=f"{role}.h5") for role in ("model", "data"))
    return Subject("model.h5", model, data, file, source, machine=machine, **others)


@pytest.fixture(scope="session")
def spoilt():
    """A function that makes a subject with a model that has unlearnt all it knew."""

    def make(own):
        random = np.random.default_rng(0)
        parameters = 3 * random.normal(size=own.model.parameters.shape)
        return replace(own, model=replace(own.model, parameters=parameters))

    return make
