"""The matrix products' library: our own copy of OpenBLAS, with the kernel that suits this CPU.

OpenBLAS chooses its kernels once, when it is loaded. On a CPU with AVX-512 it may end up with those
for AVX2, at half the speed: because it does not know the CPU yet, or because OPENBLAS_CORETYPE
says so in the environment of a whole cluster. NumPy and SciPy have loaded their own copies long
before anyone imports gpuae, so we load a further one (the package scipy-openblas32) and steer
it alone: the right kernel whatever was imported first, one thread in each of our threads, and
never a change to anybody else's settings. GPUAE_BLAS_CORE names another kernel (Haswell, Zen, ...)
for our copy, for those who want the same bits from different CPUs.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

CORETYPE = "OPENBLAS_CORETYPE"
THREADS = "OPENBLAS_NUM_THREADS"
OVERRIDE = "GPUAE_BLAS_CORE"
AVX512_CORE = "SkylakeX"
AVX512_FEATURES = ("AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL")
"""What the SkylakeX kernels are compiled for: on a CPU that lacks one they would be illegal."""


@dataclass(frozen=True)
class Blas:
    """A loaded OpenBLAS: its file, its kernel, and where its products are."""

    path: Path
    version: str
    core: str
    sgemm: int
    """Address of cblas_sgemm."""
    dgemm: int
    """Address of cblas_dgemm."""
    library: ctypes.CDLL

    def use_one_thread(self) -> None:
        """Let products run on the thread that calls them; threadpoolctl may have changed that."""
        self.library.scipy_openblas_set_num_threads(1)


@cache
def load() -> Blas:
    """Load the library, once in a process."""
    path = _library_path()
    with _chosen():
        library = ctypes.CDLL(str(path))
    return Blas(
        path=path,
        version=_text(library, "scipy_openblas_get_config").split(" ")[1],
        core=_text(library, "scipy_openblas_get_corename"),
        sgemm=_address(library, "scipy_cblas_sgemm"),
        dgemm=_address(library, "scipy_cblas_dgemm"),
        library=library,
    )


def best_core() -> str | None:
    """Return the kernel to ask for, or None where OpenBLAS chooses well by itself."""
    features = cpu_features()
    return AVX512_CORE if all(features.get(name, False) for name in AVX512_FEATURES) else None


def cpu_features() -> dict[str, bool]:
    """Return which instruction sets this CPU has, as NumPy found them."""
    return dict(import_module("numpy._core._multiarray_umath").__cpu_features__)


def _library_path() -> Path:
    # Importing the package would load the library before its kernel can be chosen.
    package = find_spec("scipy_openblas32")
    if package is None or not package.submodule_search_locations:
        raise ImportError("the package scipy-openblas32 is missing: reinstall gpuae")
    folder = Path(package.submodule_search_locations[0]) / "lib"
    names = sorted(folder.glob("*scipy_openblas*.so*")) + sorted(
        path for end in ("dylib", "dll") for path in folder.glob(f"*scipy_openblas*.{end}")
    )
    if not names:
        raise ImportError(f"no OpenBLAS in {folder}: reinstall the package scipy-openblas32")
    return names[0]


@contextmanager
def _chosen() -> Iterator[None]:
    """Name the kernel to the library while it loads, then leave the environment as it was.

    It starts no threads of its own: where there are none to be had, it would interrupt us.
    """
    core = os.environ.get(OVERRIDE) or best_core()
    before = {name: os.environ.pop(name, None) for name in (CORETYPE, THREADS)}
    os.environ[THREADS] = "1"
    if core is not None:
        os.environ[CORETYPE] = core
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _text(library: ctypes.CDLL, function: str) -> str:
    call = getattr(library, function)
    call.restype = ctypes.c_char_p
    return str(call().decode())


def _address(library: ctypes.CDLL, function: str) -> int:
    address = ctypes.cast(getattr(library, function), ctypes.c_void_p).value
    if address is None:
        raise ImportError(f"OpenBLAS has no {function}: reinstall the package scipy-openblas32")
    return address
