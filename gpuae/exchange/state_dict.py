"""The dense layers in named arrays, as PyTorch's state dicts and safetensors have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange.chain import Chain, Layer
from gpuae.exchange.named_arrays import PREPROCESS
from gpuae.model.preprocess import Preprocess
from gpuae.storage.kinds.model_contents import FILLING, SCALING, WHITENING, preprocess_shape

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


def chain(arrays: Arrays, source: str) -> Chain:
    """Return the layers of a state dict, in the order of its names.

    Raises
    ------
    InputError
        For an array that belongs to no dense layer.
    """
    scaling = _scaling(arrays)
    own = {name: values for name, values in arrays.items() if not _is_of_scaling(name)}
    layers = _layers(own, source)
    if not scaling:
        return Chain(layers)
    return Chain(layers, _preprocess(scaling, source), _settings(scaling))


def in_order(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return arrays that were stored in any order as an encoder, then others, then a decoder."""
    return {name: arrays[name] for name in sorted(arrays, key=_place)}


def _place(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Return what names are sorted by; numbers in them count as numbers."""
    part = 0 if "enc" in name.lower() else 2 if "dec" in name.lower() else 1
    words = re.split(r"(\d+)", name)
    return part, [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _layers(arrays: Arrays, source: str) -> tuple[Layer, ...]:
    weights = {
        name.removesuffix("weight"): values
        for name, values in arrays.items()
        if name.endswith("weight") and values.ndim == 2
    }
    known = {f"{name}{own}" for name in weights for own in ("weight", "bias")}
    for name, values in arrays.items():
        if name not in known:
            raise InputError(
                f"{source}: its {name} of shape {values.shape} belongs to no dense layer, and only "
                "those can be imported; give a dense autoencoder without it"
            )
    return tuple(
        Layer(
            name.removesuffix(".") or "weight",
            _numbers(weight.T, f"{source}::{name}weight"),
            _numbers(arrays.get(f"{name}bias", np.zeros(len(weight), weight.dtype)), source),
        )
        for name, weight in weights.items()
    )


def _numbers(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return floating-point numbers; those of 16 bits as float32.

    Raises
    ------
    InputError
        For other ones.
    """
    if values.dtype.kind != "f":
        raise InputError(f"{where}: holds {values.dtype} where floating-point numbers are needed")
    return np.asarray(values, np.result_type(values.dtype, np.float32))


def _is_of_scaling(name: str) -> bool:
    part, _, own = name.partition(".")
    return part == PREPROCESS and own in (*SCALING, *WHITENING, *FILLING)


def _scaling(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return the arrays of gpuae's own preprocessing, if a model of gpuae's was exported."""
    first = len(PREPROCESS) + 1
    return {name[first:]: own for name, own in arrays.items() if _is_of_scaling(name)}


def _preprocess(scaling: Arrays, source: str) -> Preprocess:
    """Return preprocessing of arrays that fit together.

    Raises
    ------
    InputError
        Where one is missing or has another shape.
    """
    whitened = any(name in scaling for name in WHITENING)
    columns = len(np.atleast_1d(scaling.get("center", np.zeros(0))))
    for name in (*SCALING, *(WHITENING if whitened else ())):
        if name not in scaling or scaling[name].shape != preprocess_shape(name, columns):
            raise InputError(
                f"{source}: its {PREPROCESS}.{name} is missing or has another shape than that of "
                f"{columns} columns; export the model again"
            )
    return Preprocess.from_arrays({name: own.astype(float) for name, own in scaling.items()})


def _settings(scaling: Arrays) -> dict[str, Any]:
    """Return settings without which a file may not have these arrays."""
    whiten = "pca" if any(name in scaling for name in WHITENING) else "none"
    return {"whiten": whiten, "missing": "mean" if "fill" in scaling else "refuse"}
