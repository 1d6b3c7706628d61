"""Functions of device.cuh that no array in a test is large enough to bring to their limits."""

import ctypes

import pytest

from gpuae.backends import cuda_module

LARGE = 1 << 33


@pytest.fixture(scope="session")
def place_of(kernel_libraries):
    """Return the row, the first column and the columns left of a quad."""
    from host_gpu import HEADER

    header = cuda_module.source("device.cuh")
    library = kernel_libraries.of(
        "device",
        f'#include "{HEADER}"\n{header}\n'
        'extern "C" void place(Index quad, Index columns, Index* found) {\n'
        "    const Place place = place_of(quad, columns);\n"
        "    found[0] = place.row, found[1] = place.column;\n"
        "    found[2] = place.left, found[3] = place.offset;\n"
        "}\n",
    )

    def call(quad, columns):
        found = (ctypes.c_longlong * 4)()
        library.place(ctypes.c_longlong(quad), ctypes.c_longlong(columns), found)
        return tuple(found)

    return call


@pytest.mark.parametrize("columns", [1, 4, 5, 8, LARGE, LARGE + 3, 4 * LARGE - 1])
@pytest.mark.parametrize("quad", [0, 3, (1 << 32) - 1, 1 << 32, LARGE + 1, 5 * LARGE + 7])
def test_place_of_a_quad_on_cuda(place_of, quad, columns):
    row, group = divmod(quad, -(-columns // 4))
    column = 4 * group
    assert place_of(quad, columns) == (row, column, columns - column, row * columns + column)
