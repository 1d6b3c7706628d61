"""How long encoding takes on a GPU, beside copying the same bytes to it and nothing else.

    python bench/gpu_encode.py [--device cuda] [--rows 60000] [--json]

Images of bytes, (n, 784), become codes of 32 numbers by a network 784-128-32: MNIST if GPUAE_DATA
names a folder that has it, else images that are made up. They come from pageable memory and, on a
GPU, from pinned memory. The bound is the copy from pinned memory to the device, for codes go the
other way at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Ops
from gpuae.benchmark.cases import CASES
from gpuae.config import Config
from gpuae.encoding import encode, into
from gpuae.machine import Machine
from gpuae.training.fitting import fit

ROUNDS = 7
SETTINGS = {"hidden": (128, 32), "activation": "relu", "loss": "bce", "epochs": 0}


def images(rows: int) -> np.ndarray:
    """Return rows of bytes, (n, 784)."""
    name = "train-images-idx3-ubyte.gz"
    file = Path(os.environ.get("GPUAE_DATA", "")) / "mnist" / name
    if not file.is_file():
        return np.ascontiguousarray(CASES["deep"].data()[:rows])
    from gpuae.importers import open_data

    return np.ascontiguousarray(open_data(str(file)).x[:rows])


def seconds(work: Callable[[], object]) -> float:
    """Return the median seconds of some rounds, after one to warm up."""

    def timed() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    timed()
    return median(timed() for _ in range(ROUNDS))


def pinned(x: np.ndarray) -> np.ndarray:
    """Return a copy in pinned memory."""
    import cupyx

    copy: np.ndarray = cupyx.empty_pinned(x.shape, x.dtype)
    copy[...] = x
    return copy


def copies(ops: Ops, x: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Return the seconds of copying pinned rows to the device, and pinned codes from it."""
    import cupy

    runtime, stream = cupy.cuda.runtime, ops.gpu.stream  # type: ignore[attr-defined]

    def copied(host: np.ndarray, *, back: bool) -> float:
        there = ops.empty((host.nbytes,), "uint8").data.ptr
        here = host.ctypes.data
        kind = runtime.memcpyDeviceToHost if back else runtime.memcpyHostToDevice
        to, source = (here, there) if back else (there, here)

        def work() -> None:
            runtime.memcpyAsync(to, source, host.nbytes, kind, stream.ptr)
            stream.synchronize()

        return seconds(work)

    return {"rows": copied(x, back=False), "codes": copied(codes, back=True)}


def measure(device: str, rows: int) -> dict[str, Any]:
    """Time encoding from each memory, and the copies."""
    x, chosen = images(rows), resolve_device(device)
    model = fit(x, Config.parse({**SETTINGS, "device": chosen.name})).model
    codes = np.zeros((len(x), model.network.code_size), np.float32)
    sources, copied = {"pageable": x}, None
    if chosen.is_gpu:
        sources["pinned"] = pinned(x)
        ops = get_ops(chosen)
        with ops.session():
            copied = copies(ops, sources["pinned"], pinned(codes))
    encoded = {}
    for name, own in sources.items():
        took = seconds(lambda own=own: encode(model, own, into(codes), machine=Machine(device)))
        share = None if copied is None else copied["rows"] / took
        encoded[name] = {
            "seconds": took,
            "gigabytes_a_second": x.nbytes / took / 1e9,
            "share_of_bound": share,
        }
    return {
        "device": chosen.name,
        "rows": len(x),
        "bytes": {"rows": x.nbytes, "codes": codes.nbytes},
        "copies": copied,
        "encode": encoded,
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.device, asked.rows)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{found['device']}: {found['rows']} rows")
    for name, took in (found["copies"] or {}).items():
        rate = found["bytes"][name] / took / 1e9
        print(f"  copy of {name:8s} {1e3 * took:8.2f} ms  {rate:5.1f} GB/s")
    for name, own in found["encode"].items():
        share = own["share_of_bound"]
        bound = "" if share is None else f"  {share:.1%} of the bound"
        rate = own["gigabytes_a_second"]
        print(f"  from {name:11s} {1e3 * own['seconds']:8.2f} ms  {rate:5.1f} GB/s{bound}")


if __name__ == "__main__":
    main()
