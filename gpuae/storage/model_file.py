"""Models in HDF5: the weights, what was done to the data before them, and how training went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.storage import guard, reading, schema
from gpuae.storage.atomic import write_small
from gpuae.storage.companions import read_image_shape, read_names, write_names
from gpuae.storage.model_contents import LayerArrays, ModelContents, first_problem
from gpuae.storage.schema import Attribute

KIND, CHECKPOINT = "model", "checkpoint"

__all__ = ["LayerArrays", "ModelContents", "read_model", "write_model"]


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


def fill(file: h5py.File, contents: ModelContents, kind: str = KIND) -> None:
    """Write a model into a new file of `kind`.

    Raises
    ------
    RuntimeError
        When the contents contradict each other or hold values that are not finite.
    """
    if problem := first_problem(contents):
        raise RuntimeError(f"refusing to write a {kind} whose {problem}")
    config_json = json.dumps(contents.config.stored(), sort_keys=True)
    attributes = {**contents.attributes, schema.CONFIG_JSON: config_json}
    schema.write_root(file, kind, attributes)
    model = file.create_group("model")
    for part, layers in (("encoder", contents.encoder), ("decoder", contents.decoder)):
        for index, layer in enumerate(layers):
            _write_layer(model.create_group(f"{part}/{index}"), layer)
    if contents.feature_names is not None:
        write_names(model, contents.feature_names)
    if contents.image_shape is not None:
        model.attrs[schema.IMAGE_SHAPE] = np.array(contents.image_shape, np.int64)
    _write_arrays(file.create_group("preprocess"), contents.preprocess, "float64")
    _write_arrays(file.create_group("train/history"), contents.history, None)


def _write_layer(group: h5py.Group, layer: LayerArrays) -> None:
    if layer.weight is not None:
        group["weight"] = layer.weight
    group["bias"] = layer.bias


def _write_arrays(group: h5py.Group, named: Mapping[str, NDArray[Any]], dtype: str | None) -> None:
    for name in sorted(named):
        group[name] = np.asarray(named[name], dtype=dtype)


def read_model(path: Path) -> ModelContents:
    """Read a model file, or the model in a checkpoint, and check that its parts fit together.

    Raises
    ------
    InputError
        When the file is no model of a version that is known, is damaged, or its weights
        contradict its configuration; the message names the file and the path in it.
    """
    with guard.opened(path) as file:
        is_checkpoint = schema.kind_of(reading.root_attributes(file)) == CHECKPOINT
        return contents_of(file, path, CHECKPOINT if is_checkpoint else KIND)


def contents_of(file: h5py.File, path: Path, kind: str = KIND) -> ModelContents:
    """Return the model in an open file of `kind`, as `read_model` does."""
    attributes = reading.root_attributes(file)
    config = _read_config(path, attributes, kind)
    contents = ModelContents(
        config=config,
        encoder=_read_layers(file, "/model/encoder", config),
        decoder=_read_layers(file, "/model/decoder", config),
        preprocess=_read_arrays(file, "/preprocess"),
        history=_read_arrays(file, "/train/history"),
        attributes=_further(attributes),
        feature_names=read_names(file, "/model"),
        image_shape=read_image_shape(reading.group_at(file, "/model"), str(path)),
    )
    if problem := first_problem(contents):
        raise InputError(f"{path}: is a damaged {kind}, its {problem}; train or copy it again")
    return contents


def _read_config(path: Path, attributes: Mapping[str, Attribute], wanted: str) -> Config:
    """Return the configuration of a file that has been found to be of the `wanted` kind."""
    kind = schema.kind_of(attributes)
    if kind != wanted:
        what = f"a gpuae {kind} file" if kind else "not a gpuae file"
        raise InputError(f"{path}: is {what} where a {wanted} is needed; make one with gpuae fit")
    minor = schema.minor_version(attributes, str(path))
    try:
        settings = json.loads(str(attributes.get(schema.CONFIG_JSON, "")))
    except (json.JSONDecodeError, RecursionError) as error:
        raise _bad_config(path, f"is not JSON ({error})") from None
    if not isinstance(settings, dict):
        raise _bad_config(path, "is not a JSON object of settings")
    if schema.minor_is_newer(minor):
        settings = {name: settings[name] for name in settings if name in Config.model_fields}
    try:
        config = Config.parse(settings, source=schema.CONFIG_JSON)
    except ConfigError as error:
        raise _bad_config(path, f"cannot be used ({error})") from None
    if config.hidden is None:
        raise _bad_config(path, "lacks the widths of the layers, hidden")
    return config


def _bad_config(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path}: its attribute {schema.CONFIG_JSON} {problem}; train or copy the model again"
    )


def _further(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    standard = (*schema.STANDARD_ATTRIBUTES, schema.CONFIG_JSON, schema.CONTENT_SHA256)
    return {name: value for name, value in attributes.items() if name not in standard}


def _read_layers(file: h5py.File, path: str, config: Config) -> tuple[LayerArrays, ...]:
    """Return as many layers as there are, which the checks compare with the configuration."""
    names = guard.names_in(reading.group_at(file, path), guard.name_of(file, path))
    count = max(len(config.resolved_hidden), sum(name.isdecimal() for name in names))
    return tuple(_read_layer(file, f"{path}/{index}") for index in range(count))


def _read_layer(file: h5py.File, path: str) -> LayerArrays:
    weight = reading.optional_array(file, f"{path}/weight")
    return LayerArrays(weight, reading.required_array(file, f"{path}/bias"))


def _read_arrays(file: h5py.File, path: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in a group; what else a later version may add is left out."""
    found = {}
    for name in guard.names_in(reading.group_at(file, path), guard.name_of(file, path)):
        inner = f"{path}/{name}"
        item = guard.find(file, inner)
        source = guard.name_of(file, inner)
        if isinstance(item, h5py.Dataset) and guard.value_type(item, source).kind in "iuf":
            found[name] = reading.required_array(file, inner)
    return found
