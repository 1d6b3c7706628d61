"""Matrix products of cuBLAS, called so that a CUDA graph can capture them.

CuPy refuses its own cuBLAS calls while a stream is captured. The library is the one that CuPy would
load; it gets a workspace of its own, so that nothing is allocated during capture.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from gpuae.backends.ops import Array
from gpuae.errors import DeviceError

WORKSPACE_BYTES = 32 << 20
"""What cuBLAS recommends for Hopper; more than it uses elsewhere."""
PLAIN, TRANSPOSED = 0, 1
DATA_TYPES = {"float32": 0, "uint16": 14}
"""CUDA_R_32F and CUDA_R_16BF of cudaDataType."""
COMPUTE_TYPES = {"float32": 77, "uint16": 68}
"""CUBLAS_COMPUTE_32F_FAST_TF32 and CUBLAS_COMPUTE_32F, by the type of the factors: those in float32
are rounded to TF32 on their way into a product. Both add up in float32."""
DEFAULT_ALGORITHM = -1
"""CUBLAS_GEMM_DEFAULT."""
LARGEST = 2**31 - 1
VERSION_PARTS = range(3)
"""MAJOR_VERSION, MINOR_VERSION and PATCH_LEVEL of CUDA's libraryPropertyType."""

_SCALARS = {"float32": ctypes.c_float, "float64": ctypes.c_double}
_ROUTINES = {"float32": "cublasSgemm_v2", "float64": "cublasDgemm_v2"}


def load(major: int) -> Any:
    """Load the library of a major version of CUDA.

    Raises
    ------
    DeviceError
        Where it is not installed, or another version is in its place.
    """
    from cuda.pathfinder import load_nvidia_dynamic_lib

    try:
        path = load_nvidia_dynamic_lib("cublas").abs_path
    except RuntimeError as error:
        raise DeviceError(
            "cuBLAS is not installed: pip install 'gpuae[cuda13]' (or 'gpuae[cuda12]')"
        ) from error
    found = re.search(r"\.so\.(\d+)", str(path))
    if found and int(found[1]) != major:
        raise DeviceError(
            f"cuBLAS {path} is for CUDA {found[1]} and CuPy for CUDA {major}: uninstall the "
            f"nvidia-cublas of the wrong version and pip install 'gpuae[cuda{major}]'"
        )
    return ctypes.CDLL(str(path))


def version(library: Any) -> str:
    """Return the version of a library that was loaded, such as `13.1.0`."""
    found = ctypes.c_int()
    parts = []
    for part in VERSION_PARTS:
        library.cublasGetProperty(part, ctypes.byref(found))
        parts.append(str(found.value))
    return ".".join(parts)


class Cublas:
    """Products on one stream.

    Parameters
    ----------
    stream, workspace
        Addresses of the CUDA stream and of WORKSPACE_BYTES on the device.
    rounds
        Whether float32 factors may be rounded to TF32, which has ten bits after the point.
    """

    def __init__(self, library: Any, stream: int, workspace: int, *, rounds: bool) -> None:
        self._library, self._rounds = library, rounds
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        size = ctypes.c_size_t(WORKSPACE_BYTES)
        self._call("cublasSetWorkspace_v2", self._handle, ctypes.c_void_p(workspace), size)

    def multiply(
        self,
        a: Array,
        b: Array,
        out: Array,
        transpose_a: bool,
        transpose_b: bool,
        accumulate: bool,
    ) -> None:
        """Compute out = a·b or out += a·b of matrices by rows; factors of uint16 are bfloat16.

        cuBLAS takes matrices by columns, for which the same memory is the transposed matrix: it is
        asked for outᵀ = bᵀ·aᵀ.

        Raises
        ------
        DeviceError
            Where a matrix has more rows or columns than cuBLAS can count, or it fails.
        """
        rows, columns = out.shape
        inner = a.shape[0] if transpose_a else a.shape[1]
        if max(rows, columns, inner) > LARGEST:
            raise DeviceError(
                f"a matrix product of {rows} x {inner} x {columns} is too large for cuBLAS; "
                "lower batch_size"
            )
        real, of_factors = out.dtype.name, a.dtype.name
        scalar = _SCALARS[real]
        one, other = (ctypes.byref(scalar(value)) for value in (1.0, float(accumulate)))
        operations = (TRANSPOSED if own else PLAIN for own in (transpose_b, transpose_a))
        asked = (self._handle, *operations, columns, rows, inner, one)
        if of_factors != real or (self._rounds and real == "float32"):
            matrices = (*_typed(b), *_typed(a), other, *_typed(out))
            how = (COMPUTE_TYPES[of_factors], DEFAULT_ALGORITHM)
            self._call("cublasGemmEx", *asked, *matrices, *how)
        else:
            self._call(_ROUTINES[real], *asked, *_matrix(b), *_matrix(a), other, *_matrix(out))

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            raise DeviceError(
                f"cuBLAS failed: {name} returned status {status}; check the driver with nvidia-smi"
            )


def _matrix(array: Array) -> tuple[ctypes.c_void_p, int]:
    """Return a matrix's address and the distance of its rows, in elements."""
    distance = max(array.strides[0] // array.itemsize, array.shape[1])
    return ctypes.c_void_p(int(array.data.ptr)), distance


def _typed(array: Array) -> tuple[ctypes.c_void_p, int, int]:
    """Return a matrix's address, type and the distance of its rows, in elements."""
    address, distance = _matrix(array)
    return address, DATA_TYPES[array.dtype.name], distance
