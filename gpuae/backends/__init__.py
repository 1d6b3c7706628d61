"""Which device computes: the one place that knows the backends by name."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.backends.ops import Ops
from gpuae.errors import DeviceError

NO_GPU_BACKEND = "this version of gpuae computes on the CPU only"


@dataclass(frozen=True)
class Device:
    """What `auto` or a person's choice came to, and why."""

    name: str
    """`cpu` or `numpy`."""
    reason: str


def resolve_device(asked: str) -> Device:
    """Decide which device computes.

    Raises
    ------
    DeviceError
        Where the device that was asked for is not there.
    """
    if asked == "auto":
        return Device("cpu", NO_GPU_BACKEND)
    if asked.startswith("cuda"):
        raise DeviceError(f"device={asked}: {NO_GPU_BACKEND}; use device=cpu or device=auto")
    return Device(asked, "asked for")


def needs_compiling(device: Device) -> bool:
    """Whether the first step on this device will be preceded by seconds of compiling."""
    if device.name != "cpu":
        return False
    from gpuae.backends.numba_compile import compiled_before
    from gpuae.backends.numba_gemm import gemm

    return not compiled_before(gemm)


def get_ops(device: Device) -> Ops:
    """Load the operations of a device; nothing of the others is imported."""
    if device.name == "numpy":
        from gpuae.backends.numpy_ops import NumpyOps

        return NumpyOps()
    from gpuae.backends.numba_ops import NumbaOps

    return NumbaOps()
