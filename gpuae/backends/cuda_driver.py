"""Whether there is a GPU that gpuae can use, and if not, why not and what to do."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from gpuae.backends.weighing import Strength

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
INSTALL = "pip install 'gpuae[cuda13]' (or 'gpuae[cuda12]' for a driver of CUDA 12)"
FINDS_NONE = "the NVIDIA driver finds no GPU"
NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE."""
PROCESSORS, SINGLE_TO_DOUBLE = 16, 87
"""CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT and _SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO."""


@dataclass(frozen=True)
class Driver:
    """What the NVIDIA driver says.

    Attributes
    ----------
    version
        Newest CUDA it can run, (13, 0) for example; None where there is no driver.
    devices
        How many GPUs.
    problem
        Why no GPU can be used, or nothing.
    """

    version: tuple[int, int] | None
    devices: int
    problem: str


def ask_driver() -> Driver:
    """Ask the driver; nothing of CuPy is imported."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return Driver(None, 0, f"there is no NVIDIA driver ({LIBRARY} is not on this machine)")
    number, devices = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(number))
    version = (number.value // 1000, number.value % 1000 // 10)
    status = library.cuInit(0)
    if status == 0:
        status = library.cuDeviceGetCount(ctypes.byref(devices))
    if status == NO_DEVICE or (status == 0 and devices.value == 0):
        return Driver(version, 0, FINDS_NONE)
    if status != 0:
        return Driver(version, 0, f"the NVIDIA driver does not start (error {status}): reboot")
    return Driver(version, devices.value, "")


def strength(index: int) -> Strength:
    """Ask the driver what a GPU has that is there."""
    library = ctypes.CDLL(LIBRARY)
    library.cuInit(0)
    device = ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), index)
    found = []
    for attribute in (PROCESSORS, SINGLE_TO_DOUBLE):
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        found.append(max(1, value.value))
    return Strength(*found)


def has_gpu() -> bool:
    """Whether the driver that is installed has found a GPU, or fails to start."""
    driver = ask_driver()
    return driver.version is not None and driver.problem != FINDS_NONE


def why_not(index: int = 0) -> str:
    """Return why this GPU cannot be used and what to do about it, or nothing."""
    driver = ask_driver()
    if driver.problem:
        return driver.problem
    if index >= driver.devices:
        most = driver.devices - 1
        there = "only cuda:0 is" if most == 0 else f"cuda:0 to cuda:{most} are"
        return f"there is no GPU number {index}, {there} there"
    if find_spec("cupy") is None:
        return f"CuPy is not installed: {INSTALL}"
    return _why_not_cupy(driver)


def _why_not_cupy(driver: Driver) -> str:
    try:
        import cupy
    except (ImportError, OSError) as error:  # OSError: its cache cannot be made
        return f"CuPy cannot be imported ({error}): {INSTALL}"
    needed = cupy.cuda.runtime.runtimeGetVersion()
    try:
        cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:
        major, minor = driver.version or (0, 0)
        return (
            f"CuPy does not get on with the driver ({error}): it is for CUDA {needed // 1000} and "
            f"the driver for CUDA {major}.{minor}; update the driver or {INSTALL}"
        )
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError):
        return f"NVRTC, which compiles the kernels, is not installed: {INSTALL}"
    return _why_not_headers(needed // 1000)


def _why_not_headers(major: int) -> str:
    """Look where CuPy does for the headers without which it compiles no kernel."""
    from cuda.pathfinder import find_nvidia_header_directory

    if find_nvidia_header_directory("cudart"):
        return ""
    return (
        f"the headers of CUDA, which the kernels are compiled with, are not installed: "
        f"pip install 'gpuae[cuda{major}]', or let CUDA_PATH name a CUDA toolkit"
    )
