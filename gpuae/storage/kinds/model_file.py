"""Models in HDF5: the weights, what was done to the data before them, and how training went."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config, Settings
from gpuae.errors import ConfigError, InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.storage import file_format
from gpuae.storage.file_format import Attribute
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import declared_arrays, guard, opening, reading
from gpuae.storage.hdf5.nodes import Dataset, File
from gpuae.storage.kinds.categorical_columns import read_categorical, write_categorical
from gpuae.storage.kinds.model_contents import (
    CALIBRATION,
    CLASSES,
    COUNTING,
    FILLING,
    PRINCIPAL,
    SCALING,
    WHITENING,
    ClassifierContents,
    LayerArrays,
    ModelContents,
    first_problem,
    first_shape_problem,
)
from gpuae.storage.kinds.row_metadata import read_image_shape, read_names, write_names
from gpuae.storage.outputs.small_output import write_small

MODEL, CLASSIFIER, CHECKPOINT, COMPRESSED = "model", "classifier", "checkpoint", "compressed"
MODEL_KINDS = (MODEL, CLASSIFIER, CHECKPOINT)

S = TypeVar("S", bound=Settings)
Read: TypeAlias = Callable[[File, str], NDArray[Any] | None]
"""Gives the array at a path of a file, or its outline; None where there is none."""


def write_model(path: Path, contents: ModelContents, *, force: bool) -> None:
    """Write a model file, complete or not at all.

    Raises
    ------
    OutputError
        When it cannot be written there.
    RuntimeError
        When the contents contradict each other or hold values that are not finite.
    """
    write_small(path, lambda file: fill(file, contents), force=force)


def fill(file: h5py.File, contents: ModelContents, kind: str | None = None) -> None:
    """Write a model into a new file of `kind`; by default a model, or a classifier if it is one.

    Raises
    ------
    RuntimeError
        When the contents contradict each other or hold values that are not finite.
    """
    head = contents.classifier
    kind = kind or (MODEL if head is None else CLASSIFIER)
    if problem := first_problem(contents):
        raise RuntimeError(f"refusing to write a {kind} whose {problem}")
    config_json = json.dumps(contents.config.stored(), sort_keys=True)
    attributes = {**contents.attributes, file_format.CONFIG_JSON: config_json}
    if head is not None:
        attributes[file_format.FINETUNE_JSON] = json.dumps(head.config.stored(), sort_keys=True)
    file_format.write_root(file, kind, attributes)
    model = file.create_group("model")
    for part, layers in (("encoder", contents.encoder), ("decoder", contents.decoder)):
        for index, layer in enumerate(layers):
            _write_layer(model.create_group(f"{part}/{index}"), layer)
    if head is not None:
        _write_layer(model.create_group("classifier"), head.layer)
        text = head.classes.dtype.kind in "US"
        model["classes"] = file_format.text_cells(head.classes, CLASSES) if text else head.classes
    if contents.feature_names is not None:
        write_names(model, contents.feature_names)
    write_categorical(model, contents.categorical)
    if contents.image_shape is not None:
        model.attrs[file_format.IMAGE_SHAPE] = np.array(contents.image_shape, np.int64)
    _write_arrays(file.create_group("preprocess"), contents.preprocess, "float64")
    _write_arrays(file.create_group("train/history"), contents.history, None)
    if contents.pca:
        _write_arrays(file.create_group("pca"), contents.pca, None)
    if contents.calibration:
        _write_arrays(file.create_group("calibration"), contents.calibration, None)


def _write_layer(group: h5py.Group, layer: LayerArrays) -> None:
    if layer.weight is not None:
        group["weight"] = layer.weight
    group["bias"] = layer.bias


def _write_arrays(group: h5py.Group, named: Mapping[str, NDArray[Any]], dtype: str | None) -> None:
    for name in sorted(named):
        group[name] = np.asarray(named[name], dtype=dtype)


def read_model(input_file: InputFile) -> ModelContents:
    """Read a model, a classifier or the model in a checkpoint; check that its parts fit together.

    Raises
    ------
    InputError
        When the file is no model of a version that is known, is damaged, or its weights
        contradict its configuration; the message names the file and the path in it.
    """
    with opening.opened(input_file) as file:
        kind = file_format.kind_of(reading.root_attributes(file))
        return contents_of(file, kind if kind in MODEL_KINDS else MODEL)


def is_model(input_file: InputFile) -> bool:
    """Whether a file is a model, a classifier or a checkpoint.

    Raises
    ------
    InputError
        When it is no HDF5 file.
    """
    with opening.opened(input_file) as file:
        return file_format.kind_of(reading.root_attributes(file)) in MODEL_KINDS


def contents_of(file: File, kind: str = MODEL) -> ModelContents:
    """Return the model in an open file of `kind`, as `read_model` does.

    Nothing of a size that the file alone decides is allocated before its shapes have been found to
    fit the configuration.
    """
    attributes = reading.root_attributes(file)
    config = _read_config(file, attributes, kind)
    head = None
    if kind == CLASSIFIER:
        head = _read_settings(file, attributes, file_format.FINETUNE_JSON, FinetuneConfig)
        if file.find("/model/decoder") is not None:
            _refuse(file, kind, "/model/decoder is there although a classifier has none")
    whole = kind != COMPRESSED
    outline = _read_parts(file, config, declared_arrays.optional_outline, head, whole=whole)
    declared_arrays.check_total((values for _, values in outline.arrays()), str(file.path))
    _refuse(file, kind, first_shape_problem(outline))
    parts = _read_parts(file, config, reading.optional_array, head, whole=whole)
    contents = replace(
        parts,
        attributes=_further(attributes),
        feature_names=read_names(file, "/model", outline.columns),
        categorical=read_categorical(file, "/model"),
        image_shape=read_image_shape(reading.group_at(file, "/model")),
    )
    _refuse(file, kind, first_problem(contents))
    return contents


def _refuse(file: File, kind: str, problem: str | None) -> None:
    again = "make" if kind == COMPRESSED else "train"
    if problem:
        raise InputError(
            f"{file.path}: is a damaged {kind}, its {problem}; {again} or copy it again"
        )


def _read_parts(
    file: File, config: Config, read: Read, head: FinetuneConfig | None, *, whole: bool
) -> ModelContents:
    """Return what a model computes with, or its outlines, according to `read`.

    `head` are the settings of a classifier, which has no decoder; one that is not `whole` has no
    encoder.
    """
    return ModelContents(
        config=config,
        encoder=_read_layers(file, "/model/encoder", config, read) if whole else (),
        decoder=_read_layers(file, "/model/decoder", config, read) if head is None else (),
        classifier=None if head is None else _read_classifier(file, head, read),
        preprocess=_read_arrays(
            file, "/preprocess", read, SCALING + WHITENING + FILLING + COUNTING
        ),
        history=_read_arrays(file, "/train/history", read),
        pca=_read_optional_arrays(file, "/pca", read, PRINCIPAL),
        calibration=_read_optional_arrays(file, "/calibration", read, CALIBRATION),
    )


def _read_classifier(file: File, config: FinetuneConfig, read: Read) -> ClassifierContents:
    classes = reading.optional_array(file, CLASSES)  # text has no outline, and bounds of its own
    if classes is None:
        raise InputError(f"{file.where(CLASSES)}: is not in the file; train or copy it again")
    return ClassifierContents(_read_layer(file, "/model/classifier", read), classes, config)


def _read_config(file: File, attributes: Mapping[str, Attribute], wanted: str) -> Config:
    """Return the configuration of a file that has been found to be of the `wanted` kind."""
    kind = file_format.kind_of(attributes)
    if kind != wanted:
        what = f"a gpuae {kind} file" if kind else "not a gpuae file"
        own = wanted == COMPRESSED
        needed, command = ("a compressed file", "compress") if own else (f"a {wanted}", "fit")
        raise InputError(
            f"{file.path}: is {what} where {needed} is needed; make one with gpuae {command}"
        )
    config = _read_settings(file, attributes, file_format.CONFIG_JSON, Config)
    if config.hidden is None:
        raise _bad_config(file, "lacks the widths of the layers, hidden")
    return config


def _read_settings(
    file: File, attributes: Mapping[str, Attribute], name: str, settings: type[S]
) -> S:
    """Return the settings in an attribute; of a later minor version those that are known."""
    minor = file_format.minor_version(attributes, str(file.path))
    try:
        found = json.loads(str(attributes.get(name, "")))
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits
        raise _bad_config(file, f"is not JSON ({error})", name) from None
    if not isinstance(found, dict):
        raise _bad_config(file, "is not a JSON object of settings", name)
    if file_format.minor_is_newer(minor):
        found = {key: found[key] for key in found if key in settings.model_fields}
    try:
        return settings.parse(found, source=name)
    except ConfigError as error:
        raise _bad_config(file, f"cannot be used ({error})", name) from None


def _bad_config(file: File, problem: str, name: str = file_format.CONFIG_JSON) -> InputError:
    return InputError(f"{file.path}: its attribute {name} {problem}; train or copy the model again")


def _further(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    own = (file_format.CONFIG_JSON, file_format.FINETUNE_JSON, file_format.CONTENT_SHA256)
    standard = (*file_format.STANDARD_ATTRIBUTES, *own)
    return {name: value for name, value in attributes.items() if name not in standard}


def _read_layers(file: File, path: str, config: Config, read: Read) -> tuple[LayerArrays, ...]:
    """Return as many layers as there are, which the checks compare with the configuration."""
    names = guard.names_in(reading.group_at(file, path))
    count = max(len(config.resolved_hidden), sum(name.isdecimal() for name in names))
    return tuple(_read_layer(file, f"{path}/{index}", read) for index in range(count))


def _read_layer(file: File, path: str, read: Read) -> LayerArrays:
    bias = read(file, f"{path}/bias")
    if bias is None:
        raise InputError(
            f"{file.where(f'{path}/bias')}: is not in the file; train or copy it again"
        )
    return LayerArrays(read(file, f"{path}/weight"), bias)


def _read_optional_arrays(
    file: File, path: str, read: Read, known: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Return what `_read_arrays` does; nothing where there is no such group."""
    return {} if file.find(path) is None else _read_arrays(file, path, read, known)


def _read_arrays(
    file: File, path: str, read: Read, known: tuple[str, ...] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in a group; what else a later version may add is left out."""
    found = {}
    for name in guard.names_in(reading.group_at(file, path)):
        inner = f"{path}/{name}"
        item = file.find(inner) if known is None or name in known else None
        if isinstance(item, Dataset) and item.dtype.kind in "iuf":
            values = read(file, inner)
            if values is not None:
                found[name] = values
    return found
