"""Writes small files of every kind, and beside them what they hold, for later versions to read.

`python tests/data/write_archive.py tests/data/v1` was run once, by the version that the files name
in `created_by`. An archive is never written again: a new major version of the format gets one of
its own. A kind of file that a version adds is added to it (`--compressed`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpuae.classification import predictions
from gpuae.compression.files import Compressed, output_for, write_codes
from gpuae.compression.steps import Sample, Steps
from gpuae.config import Config
from gpuae.encoding import classify, encode, into, reconstruct, score
from gpuae.finetune_config import FinetuneConfig
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.kinds.features import (
    features_output,
    prediction_type,
    predictions_output,
    scores_output,
)
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.training.classifying import finetune
from gpuae.training.fitting import fit

MODELS: dict[str, dict[str, Any]] = {
    "plain": {"hidden": (3,)},
    "tied": {"hidden": (4, 2), "decoder": "tied", "activation": "tanh", "scale": "standard"},
    "deep": {"hidden": (5, 4, 3, 2), "activation": "leaky_relu", "dtype": "float64"},
    "whitened": {"hidden": (4,), "whiten": "zca", "sparsity": "topk", "k": 2},
}
ROWS, COLUMNS = 20, 6


def rows() -> Dataset:
    """Return rows with everything that a data set can have."""
    random = np.random.default_rng(2026)
    x = random.random((ROWS, 2)) @ random.random((2, COLUMNS)) + 0.1 * random.random(
        (ROWS, COLUMNS)
    )
    return Dataset(
        x.astype(np.float32),
        "made for the archive",
        metadata=RowMetadata(
            y=np.array(["cat", "dög", "cow", ""] * (ROWS // 4)),
            row_id=np.arange(100, 100 + ROWS),
            feature_names=("a", "b", "größe", "d d", "e", "f"),
            image_shape=(2, 3),
        ),
    )


def trained(dataset: Dataset, settings: dict[str, Any]) -> Model:
    """Return a model of a few epochs."""
    config = Config(**settings, epochs=3, batch_size=8, device="numpy", seed=2**63)
    described = {"feature_names": dataset.feature_names, "image_shape": dataset.image_shape}
    return fit(dataset.x, config, attributes={"source_sha256": "ab" * 32}, **described).model


def results(model: Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the code, the reconstruction and the error of each row."""
    made = {
        "code": np.empty((len(x), model.network.code_size), np.float32),
        "reconstruction": np.empty(x.shape),
        "error": np.empty(len(x)),
    }
    for name, compute in (("code", encode), ("reconstruction", reconstruct), ("error", score)):
        compute(model, x, into(made[name]), machine=Machine("numpy"))
    return made


def write(folder: Path) -> None:
    """Write the archive."""
    folder.mkdir()
    dataset = rows()
    beside = {"y": dataset.y, "row_id": dataset.row_id}
    values: dict[str, Any] = {
        "data": {**beside, "x": dataset.x, "feature_names": dataset.feature_names}
    }
    write_dataset(folder / "dataset.h5", dataset, force=False)
    for name, settings in MODELS.items():
        model = trained(dataset, settings)
        model.save(folder / f"model-{name}.h5")
        values[f"model-{name}"] = results(model, dataset.x)
    plain = values["model-plain"]
    attributes = {"model_sha256": "cd" * 32, "layer": 1, "device": "cpu"}
    outputs = {
        "code": features_output(
            folder / "features.h5",
            plain["code"].shape,
            force=False,
            attributes=attributes,
            metadata=dataset.metadata,
        ),
        "error": scores_output(
            folder / "scores.h5",
            ROWS,
            force=False,
            attributes=attributes,
            metadata=dataset.metadata,
        ),
    }
    for name, output in outputs.items():
        with output as out:
            out.write(0, plain[name])
    (folder / "values.json").write_text(json.dumps(values, default=lambda array: array.tolist()))


def add_compressed(folder: Path) -> None:
    """Add the rows of an archive, compressed by its tied model, and the rows that come of that."""
    dataset, model = rows(), Model.load(folder / "model-tied.h5")
    sample = Sample.of(model, dataset.x, machine=Machine("numpy"))
    steps = Steps.of(model, sample, machine=Machine("numpy"))
    grid = steps.grid(6)
    path = folder / "compressed.h5"
    made = {"device": "cpu", "model_sha256": "cd" * 32}
    with output_for(
        path,
        model,
        dataset.x,
        grid,
        steps.level_type(grid),
        metadata=dataset.metadata.of_rows,
        attributes=made,
    ) as out:
        write_codes(model, dataset.x, grid, out, machine=Machine("numpy"))
    again = np.empty(dataset.x.shape)
    Compressed(InputFile(path)).rows(into(again), machine=Machine("numpy"))
    (folder / "compressed.json").write_text(json.dumps(again.tolist()))


def add_classifier(folder: Path) -> None:
    """Add a classifier made of an archive's deep model, and what it predicts of the rows."""
    dataset, model = rows(), Model.load(folder / "model-deep.h5")
    labels = np.array(["cat", "dög"] * (ROWS // 2))
    settings = FinetuneConfig(head_epochs=2, epochs=3, patience=0, device="numpy")
    made = {"source_sha256": "ab" * 32, "model_sha256": "cd" * 32}
    known = finetune(model, dataset.x, labels, settings, attributes=made).model
    known.save(folder / "classifier.h5")
    found = np.empty((ROWS, 2), np.float32)
    classify(known, dataset.x, into(found), machine=Machine("numpy"))
    path, classes = folder / "predictions.h5", known.classification.classes
    with predictions_output(
        path, ROWS, classes, dataset.metadata, force=False, attributes=made
    ) as out:
        out.write(0, predictions(found, classes, prediction_type(path, classes)))
    (folder / "classifier.json").write_text(json.dumps(found.tolist()))


ADDED = {"--compressed": add_compressed, "--classifier": add_classifier}
"""What was added to the archive later, by the kinds' first versions."""

if __name__ == "__main__":
    if sys.argv[1] in ADDED:
        ADDED[sys.argv[1]](Path(sys.argv[2]))
    else:
        write(Path(sys.argv[1]))
