"""Which device computes: the one place that knows the backends by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

from gpuae.backends.ops import Ops
from gpuae.backends.weighing import Work
from gpuae.durations import worded
from gpuae.errors import ConfigError, DeviceError

_DEVICE = re.compile(r"auto|cpu|numpy|cuda(:[0-9]{1,4})?")


@dataclass(frozen=True)
class Device:
    """What `auto` or a person's choice came to, and why."""

    name: str
    """`cpu`, `numpy` or `cuda:N`."""
    reason: str
    passes_gpu_by: bool = False
    """Whether this machine seems to have a GPU, which is not used for that reason."""

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("cuda")


def resolve_device(asked: str, work: Work | None = None) -> Device:
    """Decide which device computes.

    Parameters
    ----------
    work
        What there is to compute, by which `auto` chooses where there is a GPU; without it that is
        the first GPU.

    Raises
    ------
    DeviceError
        Where the device that was asked for is not there.
    """
    if not _DEVICE.fullmatch(asked):
        raise DeviceError(f"device={asked}: give auto, cpu, cuda, cuda:N or numpy")
    if asked == "auto":
        problem = _gpu_problem(0)
        if problem:
            return Device("cpu", problem, _has_gpu())
        return Device("cuda:0", "the first GPU") if work is None else _faster(work)
    if asked.startswith("cuda"):
        index = int(asked.partition(":")[2] or 0)
        problem = _gpu_problem(index)
        if problem:
            raise DeviceError(f"device={asked}: {problem}; or use device=cpu or device=auto")
        return Device(f"cuda:{index}", "asked for")
    return Device(asked, "asked for")


def _faster(work: Work) -> Device:
    from gpuae.backends.cuda_driver import strength

    there, here = work.on_gpu(strength(0)), work.on_cpu()
    if there < here:
        said = f"about {worded(there)} with its start, and {worded(here)} on the CPU"
        return Device("cuda:0", f"the first GPU: {said}")
    said = f"about {worded(here)}, and {worded(there)} on the GPU with its start"
    return Device("cpu", f"{said}, which device=cuda takes", passes_gpu_by=True)


def _gpu_problem(index: int) -> str:
    from gpuae.backends.cuda_driver import why_not

    return why_not(index)


def _has_gpu() -> bool:
    from gpuae.backends.cuda_driver import has_gpu

    return has_gpu()


def needs_compiling(device: Device) -> bool:
    """Whether the first step on this device will be preceded by seconds of compiling."""
    if device.name != "cpu":
        return False
    from gpuae.backends.numba_compile import compiled_before
    from gpuae.backends.numba_gemm import gemm

    return not compiled_before(gemm)


def computed_by(device: Device) -> dict[str, str]:
    """Return the attributes by which a file says what computed it.

    They are `device`, and of a GPU `gpu`: its model and the version of cuBLAS, by which cuBLAS
    chooses the order of its sums, and so their last bits.
    """
    if not device.is_gpu:
        return {"device": device.name}
    from gpuae.backends.cupy_gpu import describe

    return {"device": device.name, "gpu": describe(_index_of(device))}


def _index_of(gpu: Device) -> int:
    return int(gpu.name.partition(":")[2] or 0)


def get_ops(device: Device, precision: str = "float32") -> Ops:
    """Load the operations of a device; nothing of the others is imported.

    Parameters
    ----------
    precision
        Of float32 products: `float32`, or on a GPU `tf32` or `bf16`.

    Raises
    ------
    ConfigError
        Where the device does not have that precision.
    DeviceError
        Where the device does not start.
    """
    if device.is_gpu:
        from gpuae.backends.cupy_gpu import open_gpu
        from gpuae.backends.cupy_ops import CupyOps

        return CupyOps(open_gpu(_index_of(device), precision=precision))
    if precision != "float32":
        raise ConfigError(
            f"precision={precision}: only GPUs have it and this would run on {device.name} "
            f"({device.reason}); leave precision out"
        )
    if device.name == "numpy":
        from gpuae.backends.numpy_ops import NumpyOps

        return NumpyOps()
    from gpuae.backends.numba_ops import NumbaOps

    return NumbaOps()


def table_cells() -> ModuleType:
    """Load `numba_cells`, which finds the cells of tables of text on the CPU.

    Raises
    ------
    DeviceError
        Where Numba is told not to compile.
    """
    from gpuae.backends import numba_cells

    return numba_cells
