"""Models that Keras saved: as an archive (.keras) or as HDF5 (.h5)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange.archive import opened as opened_archive
from gpuae.exchange.chain import Chain
from gpuae.exchange.keras_config import Part, parts
from gpuae.exchange.keras_layers import folded
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import listing, opening, reading
from gpuae.storage.hdf5.nodes import File

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST_CONFIG_BYTES = 16 << 20
MOST_WEIGHT_BYTES = 64 << 30
OF_HDF5 = "model_config"
"""Attribute that has the configuration."""
VARIABLES = {
    "Dense": ("kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
"""Names of the arrays of a layer, in the order in which an archive numbers them."""
ABSENT = {
    "bias": "use_bias",
    "gamma": "scale",
    "beta": "center",
}
"""Setting of a layer by which it has no such array."""
ADVICE = "save the whole model again, by model.save(FILE)"


def from_archive(file: InputFile) -> Chain:
    """Return the layers of a .keras file.

    Raises
    ------
    InputError
        Where it is damaged, or has layers that cannot be imported.
    """
    source = str(file)
    with opened_archive(file.stream(), source) as archive:
        found = parts(_json(archive.member(CONFIG, MOST_CONFIG_BYTES), source), source)
        weights = archive.member(WEIGHTS, MOST_WEIGHT_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / WEIGHTS
        inner.write_bytes(weights)
        try:
            with opening.opened(InputFile(inner)) as hdf5:
                return Chain(folded([(own, _numbered(hdf5, own)) for own in found], source))
        except InputError as error:
            raise InputError(str(error).replace(str(inner), f"{source}::{WEIGHTS}")) from None


def from_hdf5(file: InputFile) -> Chain:
    """Return the layers of an HDF5 file.

    Raises
    ------
    InputError
        Where it is damaged, or has layers that cannot be imported.
    """
    source = str(file)
    with opening.opened(file) as hdf5:
        if file_format.kind_of(reading.root_attributes(hdf5)):
            raise InputError(f"{source}: is a file of gpuae's own; use it as it is")
        config = reading.attribute(hdf5.root, OF_HDF5)
        if not isinstance(config, str):
            raise InputError(
                f"{source}: has no {OF_HDF5}, so it is no whole model of Keras; {ADVICE}"
            )
        found = parts(_json(config.encode("utf-8", "replace"), source), source)
        names = _names(hdf5)
        return Chain(folded([(own, _by_name(hdf5, own, names)) for own in found], source))


def _json(content: bytes, source: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{source}: its configuration is no JSON object; {ADVICE}")
    return found


def _wanted(part: Part) -> Iterator[str]:
    """Yield the names of the arrays that a layer has."""
    for name in VARIABLES.get(part.kind, ()):
        if part.config.get(ABSENT.get(name, ""), True):
            yield name


def _numbered(file: File, part: Part) -> dict[str, NDArray[Any]]:
    """Return the arrays of a layer in an archive, where each has a number."""
    return {
        name: _array(file, f"{part.path}/vars/{number}")
        for number, name in enumerate(_wanted(part))
    }


def _array(file: File, path: str) -> NDArray[Any]:
    values = reading.required_array(file, path)
    if values.dtype.kind != "f":
        raise InputError(f"{file.where(path)}: holds {values.dtype}, not floating-point numbers")
    return np.asarray(values, np.result_type(values.dtype, np.float32))


def _names(file: File) -> list[str]:
    """Return the paths of all datasets."""
    return [own.path for own in listing.datasets(file, set())]


def _by_name(file: File, part: Part, paths: list[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a layer in HDF5, which stand below its name, with `:0` or without."""
    found = {}
    for name in _wanted(part):
        own = [path for path in paths if _is_of(path, part, name)]
        if len(own) != 1:
            raise InputError(
                f"{file.path}: has {len(own)} arrays called {name} of its layer {part.name} where "
                f"one is needed; {ADVICE}"
            )
        found[name] = _array(file, own[0])
    return found


def _is_of(path: str, part: Part, name: str) -> bool:
    words = path.strip("/").split("/")
    outer = words[1:2] == [part.outer] and words[:1] == ["model_weights"]
    return outer and part.name in words[1:-1] and words[-1].removesuffix(":0") == name
