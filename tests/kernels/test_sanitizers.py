"""Sanitizers find nothing in the kernels as they run on the CPU, and find what is planted."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"
AGREEMENT = ("tests/backends/test_agreement.py", "tests/backends/test_sparse.py")
PRODUCTS = ("tests/backends/test_small_products.py",)
ROUNDED = ("tests/backends/test_rounded_factors.py",)
SHARED_OUT = "(40x68x200 and (Wide or Narrow) and (test_a_product or sigmoid)) or counters"
SHAPES = "41x132 or 17x33 or 5x8 or 33-70-170-9 or 700-20"
OF_UNITS = ("bias_activation", "bias_activation_dropout", "hidden_delta")
OF_OUTPUTS = ("output_loss", "output_delta", "row_loss", "row_delta", "softmax_")
NOT_RUN = ["gather<", "gather_corrupt<", *(f"{own}<double" for own in (*OF_UNITS, *OF_OUTPUTS))]
"""Instances of kernels that the tests below do without."""
SOME_SHAPES = f"cuda and ({SHAPES}) and float32 and not gathering"


@pytest.fixture(scope="session")
def libraries(common_folder):
    """Folder where what is compiled for one run is kept for the next."""
    return common_folder("sanitized")


@pytest.fixture
def checked(missing, libraries):
    """A function that runs chosen tests of the kernels under a sanitizer."""
    if shutil.which("g++") is None:
        missing("g++ is not installed")
    return partial(_checked, libraries)


def _checked(
    libraries,
    sanitizer,
    chosen,
    kernels=KERNELS,
    marked="long or not long",
    without=(),
    files=AGREEMENT,
):
    name = {"address": "libasan.so", "thread": "libtsan.so"}[sanitizer]
    command = ["g++", f"-print-file-name={name}"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "GPUAE_SANITIZER": sanitizer,
        "GPUAE_KERNELS": str(kernels),
        "GPUAE_LIBRARIES": str(libraries),
        "GPUAE_LEFT_OUT": " ".join(without),
        "ASAN_OPTIONS": "detect_leaks=0",
        "TSAN_OPTIONS": "exitcode=66",
        "OPENBLAS_NUM_THREADS": "1",  # whose barriers ThreadSanitizer does not know
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *files, "-k", chosen, "-m", marked],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=ROOT,
        timeout=300,
    )


def planted(folder, file, right, wrong):
    """Copy the kernels and put a mistake into one of them."""
    shutil.copytree(KERNELS, folder)
    text = (folder / file).read_text("utf-8")
    assert right in text
    (folder / file).write_text(text.replace(right, wrong, 1), "utf-8")
    return folder


def assert_clean(done):
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "Sanitizer" not in done.stdout + done.stderr
    assert "runtime error" not in done.stdout + done.stderr


def test_nothing_is_found_in_the_kernels(checked):
    assert_clean(checked("address", SOME_SHAPES, marked="not long", without=NOT_RUN))


@pytest.mark.long
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_nothing_is_found_in_any_combination(checked, sanitizer):
    assert_clean(checked(sanitizer, SOME_SHAPES))


@pytest.mark.long
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_nothing_is_found_in_small_products(checked, sanitizer):
    assert_clean(checked(sanitizer, SHARED_OUT, files=PRODUCTS))


@pytest.mark.long
def test_nothing_is_found_where_factors_become_bfloat16(checked):
    assert_clean(checked("address", "bfloat16", files=ROUNDED))


@pytest.mark.long
def test_a_missing_barrier_of_a_product_is_found(checked, tmp_path):
    right = "columns.put(shared + OFFSET, b.along_inner);\n    __syncthreads();"
    wrong = right.removesuffix("\n    __syncthreads();")
    kernels = planted(tmp_path / "kernels", "products.cu", right, wrong)
    done = checked("thread", "test_a_product and 33x65x34", kernels, files=PRODUCTS)
    assert done.returncode != 0
    assert "ThreadSanitizer: data race" in done.stdout + done.stderr


@pytest.mark.long
def test_an_access_beyond_the_end_is_found(checked, tmp_path):
    right = "i < quads_of(rows, columns)"
    kernels = planted(tmp_path / "kernels", "forward.cu", right, right.replace("<", "<="))
    done = checked("address", "cuda and test_bias_activation and 5x8 and float32 and relu", kernels)
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stdout + done.stderr


@pytest.mark.long
def test_an_access_beyond_the_launchs_shared_memory_is_found(checked, tmp_path):
    right = "shared[warp() * TILE_COLUMNS"
    wrong = "shared[4 * warp() * TILE_COLUMNS"
    kernels = planted(tmp_path / "kernels", "device.cuh", right, wrong)
    done = checked("address", "cuda and test_output_delta and 41x132 and float64 and tanh", kernels)
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stdout + done.stderr


@pytest.mark.long
def test_a_shift_by_all_bits_is_found(checked, tmp_path):
    right, wrong = "(1u << lane()) - 1", "(1u << (lane() + 1)) - 1"
    kernels = planted(tmp_path / "kernels", "sparse.cu", right, wrong)
    done = checked("address", "cuda and test_topk_chooses and float32", kernels)
    assert done.returncode != 0
    assert "runtime error: shift exponent 32" in done.stdout + done.stderr


@pytest.mark.long
def test_a_missing_barrier_is_found(checked, tmp_path):
    right = "__syncthreads();\n    const Index first"
    kernels = planted(tmp_path / "kernels", "device.cuh", right, "const Index first")
    done = checked("thread", "cuda and test_hidden_delta and 41x132 and float32 and tanh", kernels)
    assert done.returncode != 0
    assert "ThreadSanitizer: data race" in done.stdout + done.stderr


@pytest.mark.long
def test_a_barrier_that_not_all_threads_reach_is_found(checked, tmp_path):
    right = "__syncthreads();\n    const Index first"
    wrong = "if (threadIdx.x < 100) __syncthreads();\n    const Index first"
    kernels = planted(tmp_path / "kernels", "device.cuh", right, wrong)
    done = checked("address", "cuda and test_hidden_delta and 41x132 and float32 and tanh", kernels)
    assert done.returncode != 0
    assert "not all threads come to the barrier" in done.stdout
