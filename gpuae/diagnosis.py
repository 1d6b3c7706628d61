"""What this machine offers, what would be used of it, and why."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from gpuae.backends import Device, blas, resolve_device
from gpuae.backends.cuda_driver import ask_driver, why_not
from gpuae.backends.rate import numpy_rate, own_rate, rate_with
from gpuae.training.thread_pool import available_cores


def diagnose() -> dict[str, str]:
    """Return findings under the names that `gpuae doctor` prints them with."""
    device = resolve_device("auto")
    return {
        "gpuae": f"{_version('gpuae')} on Python {platform.python_version()}, {sys.platform}",
        "CPU": _cpu(),
        "threads": f"up to {available_cores()}, one for each core; a step of 256 rows keeps 2 busy",
        "BLAS": _own_blas(),
        "BLAS of NumPy": _blas_of_numpy(),
        "Numba": f"{_version('numba')}, compiles for {_compile_target()}",
        "CUDA": _cuda_driver(),
        "CuPy": _cupy(),
        "GPU": _gpus(),
        "would be used": f"device={device.name}: {device.reason}{_but(device)}",
    }


def _but(device: Device) -> str:
    return ", but the CPU for training that it ends sooner" if device.is_gpu else ""


def _cpu() -> str:
    return f"{_cpu_name()}, {'with' if blas.best_core() else 'without'} AVX-512"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _own_blas() -> str:
    library = blas.load()
    best = blas.best_core()
    rate = f"{own_rate():.0f} GFLOP/s a core in float32"
    found = f"OpenBLAS {library.version}, kernel {library.core}: {rate}"
    if best is None:
        return f"{found}; it chose that kernel itself"
    if library.core == best:
        return f"{found}; that kernel is the fastest for AVX-512"
    better = rate_with(best)
    gain = f"give {better:.0f}" if better else "be faster"
    return f"{found}; {best} would {gain}: unset {blas.OVERRIDE}"


def _blas_of_numpy() -> str:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = str(blas.load().path)
    pools = [pool for pool in found if pool["filepath"] != own]
    names = {
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}"
        for pool in pools
    }
    rate = f"{numpy_rate():.0f} GFLOP/s a core; used by device=numpy only"
    return f"{'; '.join(sorted(names)) or 'unknown'}: {rate}{_better_for_numpy(pools)}"


def _better_for_numpy(pools: list[dict[str, str]]) -> str:
    """Say how NumPy's products would be faster, where the environment holds them back."""
    best, asked = blas.best_core(), os.environ.get(blas.CORETYPE)
    held_back = any(pool.get("architecture") not in (best, None) for pool in pools)
    if best is None or asked in (best, None) or not held_back:
        return ""
    return f"; {blas.CORETYPE}={asked} is set, {best} would be faster"


def _compile_target() -> str:
    from llvmlite import binding

    return str(binding.get_host_cpu_name())


def _cuda_driver() -> str:
    driver = ask_driver()
    if driver.version is None:
        return driver.problem
    major, minor = driver.version
    found = f"driver for CUDA {major}.{minor}"
    return f"{found}; {driver.problem}" if driver.problem else f"{found}, GPUs: {driver.devices}"


def _gpus() -> str:
    problem = why_not()
    if problem:
        return f"none to use: {problem}"
    import cupy

    names = []
    for index in range(cupy.cuda.runtime.getDeviceCount()):
        found = cupy.cuda.runtime.getDeviceProperties(index)
        version = f"{found['major']}.{found['minor']}"
        memory = f"{found['totalGlobalMem'] / 2**30:.0f} GiB"
        name = found["name"].decode()
        names.append(f"cuda:{index} {name}, compute capability {version}, {memory}")
    return "; ".join(names)


def _cupy() -> str:
    if find_spec("cupy") is None:
        return "not installed"
    names = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
    installed = [f"{name} {_version(name)}" for name in names if _version(name) != "unknown"]
    return ", ".join(installed) or "installed, of unknown version"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
