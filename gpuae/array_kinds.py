"""Arrays of other libraries: taken as NumPy's, and results given back in their kind.

They are those with `__dlpack__`: tensors of PyTorch, arrays of JAX and CuPy, and what follows the
Python array API standard.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError


def is_foreign(X: Any) -> bool:
    """Whether X is an array of another library than NumPy."""
    return hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray)


def as_host(X: Any) -> Any:
    """Return an array of another library as NumPy's, copied from a GPU if it is there.

    Anything else is returned as it is.

    Raises
    ------
    InputError
        For types that NumPy does not have.
    """
    if not is_foreign(X):
        return X
    try:
        return _copied(X)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"X: this {_kind(X)} of {X.dtype} has no form in NumPy ({error}); give it as float32"
        ) from None


def in_kind_of(X: Any, values: NDArray[Any]) -> Any:
    """Return results as an array of the library of X, where that is another, on its device."""
    if not is_foreign(X):
        return values
    library = _library(X)
    if library == "torch":
        return sys.modules["torch"].from_numpy(values).to(X.device)
    if library == "cupy":
        with X.device:
            return sys.modules["cupy"].asarray(values)
    if hasattr(X, "__array_namespace__"):
        return X.__array_namespace__().asarray(values, device=X.device)
    return values


def _copied(X: Any) -> NDArray[Any]:
    library = _library(X)
    if library == "torch":
        return np.asarray(X.detach().cpu())
    if library == "cupy":
        return np.asarray(X.get())
    return np.asarray(X) if hasattr(X, "__array__") else np.from_dlpack(X)


def _library(X: Any) -> str:
    return type(X).__module__.partition(".")[0]


def _kind(X: Any) -> str:
    return f"{_library(X)} array"
