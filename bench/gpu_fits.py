"""Fits on a device and on the CPU end at the same losses, and a model encodes alike on both.

On a GPU, fits with rounded factors (tf32, bf16) end near the loss of float32 too.

    python bench/gpu_fits.py [--device cuda]

On MNIST if GPUAE_DATA names a folder that has it, else on images that are made up. The exit code is
1 where they differ by more than rounding.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gpuae.backends import resolve_device
from gpuae.benchmark.cases import CASES
from gpuae.config import Config
from gpuae.encoding import encode, into
from gpuae.finetune_config import FinetuneConfig
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.training.classifying import finetune
from gpuae.training.fitting import fit

KINDS: dict[str, dict[str, Any]] = {
    "deep": {"hidden": (128, 32), "activation": "relu", "loss": "bce"},
    "sparse": {"hidden": (200,), "scale": "unit", "sparsity": "kl", "rho": 0.1}
    | {"loss": "sse", "weight_decay": 3e-4},
    "denoising": {"hidden": (256,), "activation": "relu", "loss": "bce", "dropout": 0.2}
    | {"noise": "masking", "noise_level": 0.3},
    "lbfgs": {"hidden": (64,), "optimizer": "lbfgs"},
    "topk": {"hidden": (1024,), "activation": "relu", "sparsity": "topk", "k": 16},
    "stack": {"hidden": (256, 64), "activation": "relu", "pretrain": 2}
    | {"noise": "gaussian", "noise_level": (0.1, 0.2)},
}
CLASSES = 10
LOSSES_APART, CODES_APART = 1e-3, 1e-5
"""Losses after three epochs may differ by so much: each step rounds in another order."""
STACKS_APART = 1e-2
"""A stack of three trainings carries that further: on the CPU `cpu` and `numpy` are 2e-3 apart."""
ROUNDED_APART = 1e-2
"""The same of a fit with rounded factors and one with float32."""


def images() -> np.ndarray:
    """Return rows of bytes, (n, 784)."""
    name = "train-images-idx3-ubyte.gz"
    file = Path(os.environ.get("GPUAE_DATA", "")) / "mnist" / name
    if not file.is_file():
        return CASES["deep"].data()
    from gpuae.importers import open_data

    return np.ascontiguousarray(open_data(str(file)).x)


def fitted(x: np.ndarray, settings: dict[str, Any], device: str) -> Model:
    """Fit, and print the seconds of the epochs and the losses."""
    began = time.perf_counter()
    model = fit(x, Config.parse({"epochs": 3, "device": device, **settings})).model
    took, history = time.perf_counter() - began, model.history
    epochs = ", ".join(f"{float(own):.3f}" for own in history["seconds"])
    losses = f"loss {history['loss'][-1]:.6f}, held out {history['val_loss'][-1]:.6f}"
    print(f"  {device:6s} {took:6.2f} s, of which epochs {epochs}; {losses}", flush=True)
    return model


def codes(model: Model, x: np.ndarray, device: str) -> np.ndarray:
    """Encode twice, the first time to warm up, and print the seconds of the second."""
    out = np.zeros((len(x), model.network.code_size), np.float32)
    for _ in range(2):
        began = time.perf_counter()
        encode(model, x, into(out), machine=Machine(device))
    print(f"  {device:6s} encodes in {time.perf_counter() - began:.3f} s", flush=True)
    return out


def classified(model: Model, x: np.ndarray, device: str) -> float:
    """Train a classifier of the model to tell a rule, and return its last loss."""
    labels = x.reshape(len(x), -1)[:, ::7].argmax(axis=1) % CLASSES
    settings = FinetuneConfig(head_epochs=2, epochs=2, patience=0, device=device)
    began = time.perf_counter()
    tuned = finetune(model, x, labels, settings).model
    loss = float(tuned.history["loss"][-1])
    print(f"  {device:6s} {time.perf_counter() - began:6.2f} s, loss {loss:.6f}", flush=True)
    return loss


def agree(what: str, apart: float, most: float) -> bool:
    """Say whether two results are as near to each other as they must be."""
    good = bool(apart <= most)
    print(
        f"{'ok  ' if good else 'FAIL'} {what}: apart by {apart:.1e}, at most {most:.0e}", flush=True
    )
    return good


def rounded_end_near(x: np.ndarray, settings: dict[str, Any], device: str, wanted: float) -> bool:
    """Fit with each rounding of factors; return whether losses are near the one of float32."""
    good = True
    for precision in ("tf32", "bf16"):
        model = fitted(x, settings | {"precision": precision}, device)
        loss = float(model.history["loss"][-1])
        what = f"{precision}, loss {loss:.6f} and of float32 {wanted:.6f}"
        good &= agree(what, abs(loss - wanted) / abs(wanted), ROUNDED_APART)
    return good


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    x, good, losses = images(), True, {}
    print(f"{len(x)} rows")
    for name, settings in KINDS.items():
        there, here = (fitted(x, settings, own) for own in (device, "cpu"))
        ours, cpu = (float(own.history["loss"][-1]) for own in (there, here))
        losses[name] = ours
        most = STACKS_APART if "pretrain" in settings else LOSSES_APART
        good &= agree(name, abs(ours - cpu) / abs(cpu), most)
        if name == "deep":
            ours, cpu = (codes(there, x, own) for own in (device, "cpu"))
            apart = float(np.linalg.norm(ours - cpu) / np.linalg.norm(cpu))
            good &= agree("codes", apart, CODES_APART)
            ours, cpu = (classified(there, x, own) for own in (device, "cpu"))
            good &= agree("classifier", abs(ours - cpu) / abs(cpu), LOSSES_APART)
    if resolve_device(device).is_gpu:
        good &= rounded_end_near(x, KINDS["deep"], device, losses["deep"])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
