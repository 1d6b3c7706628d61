"""A model: everything that is needed to encode, to decode, and to know where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.calibration import Calibration, Neighbours, bytes_needed
from gpuae.model.classifier import Classification, classifier_network
from gpuae.model.network import Layer, Network
from gpuae.model.pca import PrincipalAxes
from gpuae.model.preprocess import Preprocess
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.model_contents import ClassifierContents, LayerArrays, ModelContents
from gpuae.storage.kinds.model_file import fill, read_model, write_model
from gpuae.storage.outputs.small_output import SmallOutput
from gpuae.storage.rows.categorical import Categorical, widths

HISTORY_BYTES = 40


@dataclass(frozen=True)
class Model:
    """A trained network with its preprocessing, on the host.

    Attributes
    ----------
    config
        Resolved.
    parameters
        The flat vector (network.size,), in the configuration's dtype.
    history
        One array (epochs,) for each recorded quantity.
    attributes
        Root attributes of the file: hash of the data, device, seed.
    feature_names, image_shape
        Of the data it was trained on, where known.
    pca
        What it is compared with, where that was learnt.
    calibration
        What rows are judged by, of a model whose training has ended.
    classification
        Of a classifier, whose encoder ends in classes rather than in a decoder.
    categorical
        Columns of categories of the data, whose members are the last columns of the rows.
    """

    config: Config
    parameters: NDArray[Any]
    preprocess: Preprocess
    history: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    pca: PrincipalAxes | None = None
    calibration: Calibration | None = None
    classification: Classification | None = None
    categorical: Categorical = ()

    @cached_property
    def network(self) -> Network:
        """The layout of `parameters`."""
        classes = None if self.classification is None else len(self.classification.classes)
        columns, sizes = len(self.preprocess.center), widths(self.categorical)
        return _network(self.config, columns, classes, sizes)

    @property
    def numbers(self) -> int:
        """How many columns of the rows, the first ones, are no members of categories."""
        return len(self.preprocess.center) - sum(widths(self.categorical))

    @property
    def table_columns(self) -> int:
        """How many columns a table of the data has: numbers, and columns of categories."""
        return self.numbers + len(self.categorical)

    @cached_property
    def row_type(self) -> np.dtype[Any]:
        """The type of rows that it makes, in the data's own units.

        float32 where that holds what the network computes, else float64.
        """
        narrow, own = np.dtype(np.float32), np.dtype(self.config.dtype)
        if self.preprocess.is_lost_in(narrow) or self.preprocess.overflows(narrow):
            return np.dtype(np.float64)
        return own

    def save(self, path: Path, *, force: bool = False) -> None:
        """Write a model file.

        Raises
        ------
        OutputError
            Where the file exists (without `force`) or cannot be written.
        """
        write_model(path, self.contents(), force=force)

    def write(self, output: SmallOutput) -> None:
        """Write a model file into an output whose name has been taken."""
        output.write(lambda file: fill(file, self.contents()))

    def rehearse(self, output: SmallOutput) -> None:
        """Take the room for a model file of it, and find out now if it could not be written."""
        output.rehearse(lambda file: fill(file, self.contents()), self.nbytes)

    @property
    def neighbours(self) -> Neighbours | None:
        """Training rows that others are compared with, where their score asks for that."""
        return self.calibration.neighbours if self.calibration else None

    @property
    def nbytes(self) -> int:
        """Bytes that a file of it holds, about: its history has an entry for each epoch to be.

        All names take as much as the longest one.
        """
        stored = (*self.preprocess.arrays().values(), *self._pca_arrays().values())
        arrays = sum(values.nbytes for values in stored)
        names = self.feature_names or ()
        longest = max((len(name.encode("utf-8", "replace")) for name in names), default=0)
        cells = len(names) * longest
        return int(
            self.parameters.nbytes
            + arrays
            + cells
            + HISTORY_BYTES * self._epochs
            + bytes_needed(self.network.columns, self.config.outlier_score)
        )

    @property
    def _epochs(self) -> int:
        """How many epochs there will be at most."""
        if self.classification is None:
            return int(self.config.resolved("epochs"))
        own = self.classification.config
        return int(own.resolved("head_epochs") + own.resolved("epochs"))

    @classmethod
    def load(cls, file: Path | InputFile) -> Self:
        """Read a model file, by its path or as it was opened already.

        Raises
        ------
        InputError
            Where it is missing, damaged, or not a model.
        """
        given = file if isinstance(file, InputFile) else InputFile(file)
        return cls.of(read_model(given), given.path)

    @classmethod
    def of(cls, contents: ModelContents, path: Path) -> Self:
        """Return the model that a file holds; without an encoder, whose weights are zeros then.

        Raises
        ------
        InputError
            Where the file does not say what the output layer computes.
        """
        if contents.config.output_activation == "auto":
            raise InputError(
                f"{path}: its settings do not say what the output layer computes "
                "(output_activation); train or copy the model again"
            )
        return cls(
            config=contents.config,
            parameters=_flat(contents),
            preprocess=Preprocess.from_arrays(contents.preprocess),
            history=contents.history,
            attributes=contents.attributes,
            feature_names=contents.feature_names,
            image_shape=contents.image_shape,
            pca=PrincipalAxes.from_arrays(contents.pca) if contents.pca else None,
            calibration=Calibration.from_arrays(contents.calibration),
            classification=_classification(contents),
            categorical=contents.categorical,
        )

    def contents(self) -> ModelContents:
        """Return what a file of it holds."""
        return ModelContents(
            config=self.config,
            encoder=tuple(self._arrays(layer) for layer in self.network.encoder),
            decoder=tuple(self._arrays(layer) for layer in self._rebuilding),
            preprocess=self.preprocess.arrays(),
            history=self.history,
            attributes=self.attributes,
            feature_names=self.feature_names,
            image_shape=self.image_shape,
            pca=self._pca_arrays(),
            calibration=self.calibration.arrays() if self.calibration else {},
            classifier=self._head(),
            categorical=self.categorical,
        )

    @property
    def _rebuilding(self) -> tuple[Layer, ...]:
        return () if self.classification else self.network.decoder

    def _head(self) -> ClassifierContents | None:
        if self.classification is None:
            return None
        layer = self._arrays(self.network.layers[-1])
        return ClassifierContents(layer, self.classification.classes, self.classification.config)

    def decoder_alone(self) -> ModelContents:
        """Return what rows are made from codes with, and nothing else.

        A tied decoder gets weights of its own.
        """
        tied = self.config.decoder == "tied"
        views = self.network.views(self.parameters)
        decoder = tuple(
            LayerArrays(own.weight.T if layer.transposed else own.weight, own.bias)
            for layer in self.network.decoder
            for own in (views[layer.number - 1],)
        )
        return ModelContents(
            config=self.config.model_copy(update={"decoder": "untied"} if tied else {}),
            encoder=(),
            decoder=decoder,
            preprocess=self.preprocess.arrays(),
            history={},
            feature_names=self.feature_names,
            image_shape=self.image_shape,
            categorical=self.categorical,
        )

    def _pca_arrays(self) -> dict[str, NDArray[Any]]:
        return {} if self.pca is None else self.pca.arrays()

    def _arrays(self, layer: Layer) -> LayerArrays:
        own = self.network.views(self.parameters)[layer.number - 1]
        return LayerArrays(None if layer.transposed else own.weight, own.bias)


def _classification(contents: ModelContents) -> Classification | None:
    head = contents.classifier
    if head is None:
        return None
    return Classification(head.classes, head.config)


def _network(
    config: Config, columns: int, classes: int | None, categories: tuple[int, ...]
) -> Network:
    if classes is None:
        return mirrored_autoencoder(config, columns, categories)
    return classifier_network(config, columns, classes)


def _flat(contents: ModelContents) -> NDArray[Any]:
    """Lay the layers' arrays out as one flat vector, with zeros for those that are not there."""
    head = contents.classifier
    classes = None if head is None else len(head.classes)
    columns, sizes = len(contents.preprocess["center"]), widths(contents.categorical)
    network = _network(contents.config, columns, classes, sizes)
    flat = np.zeros(network.size, contents.config.dtype)
    stored = (*contents.encoder, *(contents.decoder if head is None else (head.layer,)))
    for own, arrays in zip(network.views(flat)[-len(stored) :], stored, strict=True):
        if arrays.weight is not None:
            own.weight[...] = arrays.weight
        own.bias[...] = arrays.bias
    return flat
