"""The table of kernels describes the sources, and its checks refuse what would go wrong."""

import re

import numpy as np
import pytest

from gpuae.backends import cuda_module, ops
from gpuae.backends.cuda_kernel import (
    BLOCK,
    Parameter,
    checked_arguments,
    instance_of,
    known_to_kernels,
)
from gpuae.backends.cuda_kernels import KERNELS, MARKED, SUM_TILE, TILE_COLUMNS, TURNED
from gpuae.backends.cupy_ops import WARPS, strip_rows, tile_count

ENTRY = re.compile(r"^__global__ void (\w+)\(", re.MULTILINE)
ADVANCE = KERNELS["advance"]


@pytest.mark.parametrize("file", cuda_module.names_of_sources())
def test_the_table_has_every_kernel_of_a_file(file):
    written = ENTRY.findall(cuda_module.source(file))
    assert sorted(written) == sorted(own.name for own in KERNELS.values() if own.file == file)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_a_file_begins_with_what_its_kernels_compute_and_their_shapes(kernel):
    text = cuda_module.source(kernel.file).split("\n", 1)[1]
    header = text[: text.index('#line 1 "device.cuh"')]
    assert all(line.startswith("//") for line in header.strip().splitlines())
    assert re.search(rf"^//   {kernel.name} ", header, re.MULTILINE), f"no formula: {kernel.name}"
    assert "// Shapes:" in header


def constant(name):
    text = "\n".join(cuda_module.source(file) for file in cuda_module.names_of_sources())
    found = re.search(rf"constexpr (?:\w+) (?:[\w =.,-]+, )?{name} = ([^;,]+)[;,]", text)
    return found[1]


def test_constants_are_those_of_the_launcher():
    assert constant("LANES") == "32"
    assert constant("WARPS") == str(WARPS) == str(BLOCK // 32)
    assert TILE_COLUMNS == 32 * 4
    assert constant("MARKED") == str(MARKED)
    assert constant("TURNED") == str(TURNED)
    assert constant("SUM_TILE") == "BLOCK * QUAD * 4"
    assert SUM_TILE == BLOCK * 4 * 4
    assert [constant(name) for name in ("BETA_1", "BETA_2", "EPSILON")] == ["0.9", "0.999", "1e-8"]
    assert float(constant("FLOOR")) == ops.RHO_FLOOR
    assert (ops.ADAM_BETA_1, ops.ADAM_BETA_2, ops.ADAM_EPSILON) == (0.9, 0.999, 1e-8)


def test_a_parameter_is_read():
    own = Parameter.parse("const Real*? mask (rows, columns)")
    assert own == Parameter("mask", "Real", True, True, True, ("rows", "columns"))
    assert Parameter.parse("unsigned long long seed").type == "unsigned long long"
    assert Parameter.parse("double* total (*)").shape is None
    with pytest.raises(ValueError, match="no parameter"):
        Parameter.parse("nothing")


def test_an_instance_that_is_not_in_the_table_is_refused():
    assert instance_of(KERNELS["adam"], Real="float32") == ("float",)
    with pytest.raises(ValueError, match="kernel adam does not exist for short"):
        instance_of(KERNELS["adam"], Real="int16")


def axpby(**changed):
    x, y = np.zeros(3, np.float32), np.zeros(3, np.float32)
    arguments = {"alpha": 1.0, "x": x, "beta": 0.0, "y": y, "count": 3} | changed
    return checked_arguments(KERNELS["axpby"], ("float",), arguments)


def test_right_arguments_come_in_order_with_their_types():
    assert [dtype for dtype, _ in axpby()] == ["float32", "float32", "float32", "float32", "int64"]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"x": np.zeros(3)}, TypeError, "x is float64, not float32"),
        ({"x": np.zeros(4, np.float32)}, ValueError, "x has 4 elements, not 3"),
        ({"x": np.zeros(6, np.float32)[::2]}, ValueError, "x is not contiguous"),
        ({"y": None}, ValueError, "y is missing"),
        ({"z": 1}, TypeError, "missing or unknown arguments: z"),
    ],
)
def test_wrong_arguments_are_refused(changed, error, says):
    with pytest.raises(error, match=f"kernel axpby: {says}"):
        axpby(**changed)


def test_a_pointer_may_be_null_where_the_table_says_so():
    delta = np.zeros((2, 3))
    arguments = {
        "delta": delta,
        "z": delta,
        "a": delta,
        "mask": None,
        "slope": None,
        "row_weights": None,
        "l1": 0.0,
        "strip": 16,
    }
    arguments |= {"column_sums": np.zeros(3), "rows": 2, "columns": 3}
    checked_arguments(KERNELS["hidden_delta"], ("double", "Relu"), arguments)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("float16", "float32"),
        ("bool", "uint8"),
        ("longdouble", "float64"),
        (">i4", "int32"),
        (">f8", "float64"),
        ("uint8", "uint8"),
        ("float32", "float32"),
    ],
)
def test_data_of_any_real_type_become_known_to_kernels(given, taken):
    x = np.arange(12).reshape(3, 4).astype(given)[:, ::2]
    known = known_to_kernels(x)
    assert known.dtype == taken
    assert known.flags.c_contiguous
    np.testing.assert_array_equal(known, x.astype(taken))


@pytest.mark.parametrize("rows", [1, 8, 16, 17, 4096, 4097, 100_000, 10_000_000])
def test_strips_are_whole_rows_of_warps_and_not_too_many(rows):
    strip = strip_rows(rows)
    assert strip % WARPS == 0
    assert -(-rows // strip) <= 256
    assert tile_count(rows, 129) == 2 * -(-rows // strip)


def test_an_edit_of_a_header_changes_what_is_compiled(tmp_path, monkeypatch):
    (tmp_path / "one.cu").write_text('// first\n#include "two.cuh"\nint x;\n')
    (tmp_path / "two.cuh").write_text("#pragma once\nint y;\n")
    monkeypatch.setattr(cuda_module, "files", lambda _: tmp_path)
    cuda_module.source.cache_clear()
    before = cuda_module.source("one.cu")
    assert '#line 1 "two.cuh"\nint y;\n#line 3 "one.cu"\nint x;' in before
    assert "#include" not in before
    (tmp_path / "two.cuh").write_text("#pragma once\nint z;\n")
    cuda_module.source.cache_clear()
    assert cuda_module.source("one.cu") != before
    cuda_module.source.cache_clear()


def test_a_unit_names_the_instances_with_their_parameters():
    last = cuda_module.unit(KERNELS["adam"], (("float",),)).strip().splitlines()[-1]
    assert last == (
        "template __global__ void adam<float>(float*, const float*, float*, float*, const Index*, "
        "const double*, const double*, float, Index, double*, Index, Index);"
    )
    assert (
        cuda_module.unit(ADVANCE, ((),)).strip().endswith("void advance(Index*, Index, double*);")
    )
