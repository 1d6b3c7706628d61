"""How the kernels are compiled and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.core.caching import FunctionCache
from numba.extending import register_jitable

from gpuae.backends import ops, philox
from gpuae.errors import DeviceError

if getattr(config, "DISABLE_JIT", False):
    raise DeviceError(
        "NUMBA_DISABLE_JIT is set and device=cpu is compiled by Numba: unset it, or give "
        "device=numpy"
    )

F = TypeVar("F", bound=Callable[..., Any])

PIECE = 4096
"""So many numbers are summed in their own type, by vector instructions with some dozen sums side
by side; the sums of such pieces are added in float64."""


PACKAGE = Path(__file__).parents[1]


def compiled_sources(package: Path) -> list[Path]:
    """Return the files of a package whose functions are compiled into kernels.

    They are found by their names: `numba_*` here, but for `numba_ops`, which only calls kernels,
    and the functions of one element, which have a folder.
    """
    found = {*package.glob("backends/numba_*.py"), *package.glob("functions/*.py")}
    return sorted(found - {package / "backends" / "numba_ops.py"})


def compiled_constants() -> dict[str, float]:
    """Return the numbers that kernels have from modules whose functions are not compiled."""
    return {
        f"{module.__name__}.{name}": value
        for module in (ops, philox)
        for name, value in sorted(vars(module).items())
        if isinstance(value, int | float)
    }


def state(package: Path = PACKAGE) -> str:
    """Return a hash of all that kernels are compiled from."""
    known = hashlib.sha256(repr(compiled_constants()).encode())
    for source in compiled_sources(package):
        known.update(source.read_bytes())
    return known.hexdigest()[:12]


_STATE = state()


_FAST = {"reassoc", "contract", "nsz"}
_BARE = {"_nrt": False}
_PART: dict[str, Any] = {"error_model": "numpy", "fastmath": _FAST, "forceinline": True}


def kernel(function: F) -> F:
    """Compile for speed: sums may be reordered; NaN and infinity stay what they are."""
    return _cached(function, fastmath=_FAST)


def part(function: F) -> F:
    """Make a part of a kernel available to kernels, compiled as they are."""
    registered: F = register_jitable(**_PART)(function)
    return registered


def exact_kernel(function: F) -> F:
    """Compile as it is written: a few operations in float64 whose last digit is to be the same.

    What the compiler may reorder it can order otherwise in a program's copy of a kernel than in the
    kernel by itself, and which of the two runs depends on what the cache on disk has.
    """
    return _cached(function, fastmath=False)


def bare_kernel(function: F) -> F:
    """Compile as it is written, for many small parts that take arrays and make none.

    Numba counts references in each of them, which takes three quarters of the time where a part has
    a few bytes to read.
    """
    return _cached(function, fastmath=False, **_BARE)


def bare_part(function: F) -> F:
    """Make a part of such a kernel available to it."""
    registered: F = register_jitable(error_model="numpy", **_BARE)(function)
    return registered


def inlined_bare_part(function: F) -> F:
    """Do the same, and make its code the kernel's."""
    registered: F = register_jitable(error_model="numpy", forceinline=True, **_BARE)(function)
    return registered


def _cached(function: F, fastmath: set[str] | bool, **others: bool) -> F:
    """Compile a function, or take it from the cache on disk.

    Numba's cache on disk would notice a change of the function's own file only, not of those whose
    functions are compiled into it. So the name that the cache knows it by has all of them in it,
    and the names of the functions that a factory made it of.
    """
    made_of = [cell.cell_contents.__name__ for cell in function.__closure__ or ()]
    function.__qualname__ = "_".join([function.__qualname__, *made_of, _STATE])
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": fastmath,
        **others,
    }
    compiled: Any = njit(**options)(function)
    use_cache(compiled, function)
    return cast(F, compiled)


class Cache(FunctionCache):
    """Numba's cache on disk, which saves time and is never a reason to fail."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is there; where that is damaged, have it compiled and written anew."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # damaged pickles raise anything
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write it, if there is room and what is there is whole."""
        with suppress(Exception):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def use_cache(compiled: Any, function: Any) -> None:
    """Let a function of Numba's be kept on disk, where there is a folder for it.

    There is none where neither the installation nor a home may be written to.
    """
    with suppress(RuntimeError):
        compiled._cache = Cache(function)  # type: ignore[no-untyped-call]


def compiled_before(compiled: Any) -> bool:
    """Whether the cache on disk, where this kernel has its place, has code from these sources."""
    folder = compiled.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"*{_STATE}*.nbi"))


_ELEMENTWISE: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}


def elementwise(function: F) -> F:
    """Make a function of one element available to kernels."""
    registered: F = register_jitable(**_ELEMENTWISE)(function)
    return registered


def inlined(function: F) -> F:
    """Do the same, and make its code the kernel's: a loop that calls one does not vectorise."""
    registered: F = register_jitable(**_ELEMENTWISE, forceinline=True)(function)
    return registered
