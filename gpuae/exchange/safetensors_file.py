"""A model as safetensors: as tools for sparse autoencoders read it where it is one, else by layer.

Source of the layout: SAELens 6, `sae_lens/saes/standard_sae.py` and `topk_sae.py`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.exchange.about import NAME as ABOUT
from gpuae.exchange.computation import (
    CODE,
    RECONSTRUCTION,
    Computation,
    Matrix,
    Results,
    selected,
)
from gpuae.exchange.named_arrays import AS_IN_TORCH
from gpuae.exchange.safetensors_bytes import packed, unpacked
from gpuae.exchange.sparse_layout import CONFIG, NAMES, STANDARD, TOPK, WEIGHTS
from gpuae.exchange.task import Task, Written
from gpuae.exchange.torch_code import Load, lines

LAYOUT_OF = "6.0.0"
"""The version of SAELens whose layout it is."""


def written(task: Task) -> Written:
    """Return the files of a model."""
    reason = _why_not(task.computation)
    return _by_layers(task, reason) if reason else _sparse_autoencoder(task)


def _why_not(computation: Computation) -> str:
    """Say why tools for sparse autoencoders cannot have a model; nothing where they can."""
    own = computation.preprocess
    reasons = {
        "it is a classifier": computation.classifies,
        "it has more than one hidden layer": len(computation.encoder) > 1,
        "its code is not relu": computation.encoder[-1].activation != "relu",
        "its output is not identity": computation.decoder[-1].activation != "identity",
        "it has columns of categories": bool(computation.decoder[-1].groups),
        "its inputs are cut off": bool(np.isfinite([own.clip_low, own.clip_high]).any()),
        "it fills missing values": own.fill is not None,
        "its columns are too far from 0": own.is_lost_in(computation.dtype),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _by_layers(task: Task, reason: str) -> Written:
    arrays = AS_IN_TORCH.arrays(task.computation)
    content = packed(arrays, {ABOUT: task.about.json()})
    load = Load("from safetensors.torch import load_file", f"load_file({str(task.path)!r})")
    code = lines(task.computation, arrays, load)

    def run(rows: Matrix) -> Results:
        found = unpacked(content, str(task.path))
        return AS_IN_TORCH.computation(found, task.computation).run(rows)

    note = f"the arrays are named by layer, and SAE tools do not read them: {reason}"
    return Written({task.path: content}, run, (note,), code)


def _sparse_autoencoder(task: Task) -> Written:
    """Return the files that SAE tools read, with the scaling in the weights."""
    content = packed(_folded(task.computation), {ABOUT: task.about.json()})
    about = json.dumps(_config(task.computation, task.about.producer), indent=2)
    files = {task.path: content, task.path.parent / CONFIG: f"{about}\n".encode()}
    notes: tuple[str, ...] = ()
    if task.path.name != WEIGHTS:
        notes = (f"SAELens looks for the weights under the name {WEIGHTS}",)

    def run(rows: Matrix) -> Results:
        return _computed(unpacked(content, str(task.path)), task.computation.k, rows)

    use = "from sae_lens import SAE\n\nsae = SAE.load_from_disk('.')"
    return Written(files, run, notes, use=use)


def _folded(computation: Computation) -> dict[str, NDArray[Any]]:
    """Return the weights that take, and make, rows in the data's own units."""
    (encoder,), (decoder,) = computation.encoder, computation.decoder
    own, whitening = computation.preprocess, computation.preprocess.whitening
    into, out = encoder.weight.astype(np.float64), decoder.weight.astype(np.float64)
    shift, origin = encoder.bias.astype(np.float64), decoder.bias.astype(np.float64)
    if whitening is not None:
        into, out = whitening.forward @ into, out @ whitening.back
        shift, origin = shift - whitening.mean @ into, origin @ whitening.back + whitening.mean
    into = own.factor[:, None] * into
    values = (into, shift - own.center @ into, out / own.factor, origin / own.factor + own.center)
    return {name: a.astype(computation.dtype) for name, a in zip(NAMES, values, strict=True)}


def _config(computation: Computation, producer: str) -> dict[str, Any]:
    own = {
        "architecture": STANDARD if computation.k is None else TOPK,
        "d_in": computation.columns,
        "d_sae": computation.code_size,
        "dtype": computation.dtype.name,
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": LAYOUT_OF, "created_by": producer},
    }
    if computation.k is not None:
        own["k"] = min(computation.k, computation.code_size)
    return own


def _computed(arrays: dict[str, NDArray[Any]], k: int | None, rows: Matrix) -> Results:
    """Return what SAE tools compute, which select units before they rectify them."""
    wide = {name: own.astype(np.float64) for name, own in arrays.items()}
    units = rows.astype(np.float64) @ wide["W_enc"] + wide["b_enc"]
    code = np.maximum(selected(units, k), 0)
    return {CODE: code, RECONSTRUCTION: code @ wide["W_dec"] + wide["b_dec"]}
