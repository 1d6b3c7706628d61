"""The main job, once, on data that every installation has: scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config, Scale
from gpuae.encoding import encode
from gpuae.errors import OutputError
from gpuae.evaluation import Evaluation, evaluate
from gpuae.importers import open_data
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.output_file import check_output
from gpuae.storage.kinds.dataset_file import open_dataset, write_dataset
from gpuae.storage.kinds.features import features_output
from gpuae.storage.provenance import lineage
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.training.fitting import fit

COMMAND = "demo"
CODE_SIZE = 16
SCALE: Scale = "pooled"
"""Pixels have one unit, and PCA that knows it is the harder one to beat."""
TEST_EVERY = 4
"""Every fourth digit is kept for testing."""


@dataclass(frozen=True)
class Files:
    """What the demonstration leaves behind."""

    train: Path
    test: Path
    model: Path
    train_features: Path
    test_features: Path

    @classmethod
    def within(cls, folder: Path) -> Files:
        """Name the files of a folder."""
        names = ("train", "test", "model", "train-features", "test-features")
        return cls(*(folder / f"{name}.h5" for name in names))

    def all(self) -> Iterable[Path]:
        """Return all paths."""
        return vars(self).values()

    def check(self, *, force: bool) -> None:
        """Make the folder; refuse to go on where a file exists (without `force`)."""
        folder = self.model.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: no such folder can be made ({error.strerror}); choose another name"
            ) from None
        for path in self.all():
            check_output(path, force)


@dataclass(frozen=True)
class Demonstration:
    """What came out; accuracies and errors are those of the test digits.

    Attributes
    ----------
    seconds
        Of training: to find how long to, and on all the rows.
    """

    files: Files
    train_rows: int
    seconds: float
    evaluation: Evaluation
    raw_accuracy: float
    code_accuracy: float


def demonstrate(folder: Path, *, force: bool, device: str = "auto") -> Demonstration:
    """Fit, encode and evaluate in `folder`, and classify the codes.

    Raises
    ------
    OutputError
        Where one of the files exists (without `force`) or cannot be written.
    """
    files = Files.within(folder)
    files.check(force=force)
    train, test = _split(open_data("digits"))
    digits = [lineage.source_file("data", None, "digits")]
    for path, part, rows in ((files.train, train, "train"), (files.test, test, "test")):
        split = lineage.attributes(COMMAND, digits, {"rows": rows})
        write_dataset(path, part, force=force, attributes=split)
    config = Config(hidden=(CODE_SIZE,), scale=SCALE, device=device)
    made = lineage.attributes(COMMAND, [_source("data", files.train)])
    fitted = fit(train.x[:], config, attributes=made, image_shape=train.image_shape)
    if fitted.interrupted:
        raise KeyboardInterrupt
    fitted.model.save(files.model, force=force)
    model, machine = Model.load(files.model), Machine(device)
    for data, features in ((files.train, files.train_features), (files.test, files.test_features)):
        _encode(model, files.model, data, features, force=force, machine=machine)
    return Demonstration(
        files=files,
        train_rows=len(train.x),
        seconds=fitted.result.seconds,
        evaluation=evaluate(model, test.x, machine=machine),
        raw_accuracy=_accuracy(train, test),
        code_accuracy=_accuracy(
            open_dataset(InputFile(files.train_features)),
            open_dataset(InputFile(files.test_features)),
        ),
    )


def _split(digits: Dataset) -> tuple[Dataset, Dataset]:
    for_test = np.arange(len(digits.x)) % TEST_EVERY == 0
    return _chosen(digits, ~for_test), _chosen(digits, for_test)


def _chosen(digits: Dataset, rows: NDArray[np.bool_]) -> Dataset:
    labels = digits.y[rows] if digits.y is not None else None
    return Dataset(
        digits.x[:][rows],
        digits.source,
        metadata=RowMetadata(y=labels, image_shape=digits.image_shape),
    )


def _encode(
    model: Model, model_path: Path, data: Path, features: Path, *, force: bool, machine: Machine
) -> None:
    dataset = open_dataset(InputFile(data))
    shape = (len(dataset.x), model.network.code_size)
    sources = [_source("model", model_path), _source("data", data)]
    made = lineage.attributes(COMMAND, sources)
    output = features_output(features, shape, dataset.metadata, force=force, attributes=made)
    with output as out:
        encode(model, dataset.x, out.write, machine=machine)


def _source(role: str, path: Path) -> lineage.SourceFile:
    return lineage.source_file(role, InputFile(path), str(path))


def _accuracy(train: Dataset, test: Dataset) -> float:
    """Return the accuracy on the test rows of a logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    return float(classifier.fit(train.x, train.y).score(test.x, test.y))
