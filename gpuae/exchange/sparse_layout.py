"""Sparse autoencoders as their tools save them: four arrays, and a cfg.json that says what is done.

Source: SAELens 6, `sae_lens/saes/sae.py`, `standard_sae.py` and `topk_sae.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange.chain import Chain, Layer, topk
from gpuae.storage.files.input_file import InputFile

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
"""Names that the tools expect of the files in a folder."""
NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")
MOST_CONFIG_BYTES = 1 << 20
TOPK, STANDARD = "topk", "standard"
ONLY = {
    "normalize_activations": "none",
    "reshape_activations": "none",
    "rescale_acts_by_decoder_norm": False,
}
"""Settings of the tools, and the values for which nothing else is done."""


def chain(arrays: Mapping[str, NDArray[Any]], source: Path) -> Chain:
    """Return the layers of a sparse autoencoder in a file with a cfg.json beside it.

    Raises
    ------
    InputError
        Where there is none, or it asks for what gpuae's networks do not do.
    """
    config = _config(source.parent / CONFIG, source)
    into, bias, out, origin = (arrays[name].astype(_width(arrays)) for name in NAMES)
    if config.get("apply_b_dec_to_input", True) and into.shape[:1] == origin.shape:
        bias = bias - origin @ into
    settings = topk(config.get("k")) if config.get("architecture") == TOPK else {}
    layers = (Layer("W_enc", into, bias, "relu"), Layer("W_dec", out, origin, "identity"))
    return Chain(layers, settings=settings)


def _width(arrays: Mapping[str, NDArray[Any]]) -> np.dtype[Any]:
    return np.result_type(np.float32, *(arrays[name].dtype for name in NAMES))


def _config(path: Path, source: Path) -> Mapping[str, Any]:
    if not path.exists():
        raise InputError(
            f"{source}: holds {', '.join(NAMES)}, and what is done with them is said by a "
            f"{CONFIG}; put it beside the file"
        )
    file = InputFile(path)
    try:
        found = json.loads(file.read(0, min(file.size, MOST_CONFIG_BYTES)))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no JSON object; copy it again")
    architecture = found.get("architecture", STANDARD)
    if architecture not in (STANDARD, TOPK):
        raise InputError(
            f"{path}: has the architecture {architecture!r}, and {STANDARD} and {TOPK} are those "
            "that can be imported"
        )
    for name, value in ONLY.items():
        if found.get(name, value) != value:
            raise InputError(
                f"{path}: has {name}={found[name]!r}, which gpuae does not do; only {value!r} can "
                "be imported"
            )
    return found
