"""Matrix products inside compiled code: a call of cblas through its address.

An address is data, so the compiled function can be cached on disk, which one that refers to a
ctypes function cannot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from gpuae.backends.numba_compile import kernel

_ROW_MAJOR = 101
_PLAIN = np.int32(111)
_TRANSPOSED = np.int32(112)


def _type_gemm(
    typing_context: Any,
    address: Any,
    transposes: Any,
    sizes: Any,
    a: Any,
    b: Any,
    beta: Any,
    out: Any,
) -> Any:
    """Call out = 1·a·b + beta·out; all three are of beta's type and their rows are contiguous."""
    if any(array.layout == "F" or array.dtype != beta for array in (a, b, out)):
        raise TypingError("gemm needs matrices of one type with contiguous rows")
    signature = types.void(address, transposes, sizes, a, b, beta, out)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function, transpose, size, a_value, b_value, beta_value, out_value = arguments
        real = context.get_value_type(beta)
        integer = ir.IntType(32)
        pointer = real.as_pointer()
        parameters = [integer] * 6 + [real, pointer, integer, pointer, integer]
        parameters += [real, pointer, integer]
        kind = ir.FunctionType(ir.VoidType(), parameters)

        def matrix(array_type: Any, value: Any) -> tuple[Any, Any]:
            array = context.make_array(array_type)(context, builder, value)
            distance = builder.extract_value(array.shape, 1)
            if array_type.layout == "A":  # some columns of a wider matrix
                distance = builder.sdiv(builder.extract_value(array.strides, 0), array.itemsize)
            return array.data, builder.trunc(distance, integer)

        call = [ir.Constant(integer, _ROW_MAJOR)]
        call += [builder.extract_value(transpose, i) for i in range(2)]
        call += [builder.trunc(builder.extract_value(size, i), integer) for i in range(3)]
        call += [ir.Constant(real, 1.0), *matrix(a, a_value), *matrix(b, b_value)]
        call += [beta_value, *matrix(out, out_value)]
        builder.call(builder.inttoptr(function, kind.as_pointer()), call)
        return context.get_dummy_value()

    return signature, generate


_cblas_gemm: Any = intrinsic(_type_gemm)


@kernel
def gemm(
    address: int, a: Any, b: Any, out: Any, transpose_a: bool, transpose_b: bool, accumulate: bool
) -> None:
    """Write a·b into out, or add it; `address` is that of cblas_sgemm or cblas_dgemm."""
    transposes = (
        _TRANSPOSED if transpose_a else _PLAIN,
        _TRANSPOSED if transpose_b else _PLAIN,
    )
    inner = a.shape[0] if transpose_a else a.shape[1]
    sizes = (out.shape[0], out.shape[1], inner)
    beta = out.dtype.type(1) if accumulate else out.dtype.type(0)
    _cblas_gemm(address, transposes, sizes, a, b, beta, out)
