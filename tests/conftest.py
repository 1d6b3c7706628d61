"""Fixtures for all tests of the numeric core."""

import gc
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

DEVICES = ("numpy", "cpu", "cuda")
REAL_GPU = os.environ.get("GPUAE_TEST_GPU") == "1"
"""Whether `cuda` is this machine's GPU; else its sources run on the CPU."""
UNDER_CI = bool(os.environ.get("CI"))
ROOT = Path(__file__).parents[1]

signal.signal(signal.SIGINT, signal.default_int_handler)
"""What a shell runs in the background ignores Ctrl-C, and so would the programs of the tests."""


def pytest_configure():
    """Refuse to test a checkout where an installed package is meant: see `make release`."""
    site, found = os.environ.get("GPUAE_SITE"), Path(find_spec("gpuae").origin).resolve()
    if site is not None and not found.is_relative_to(Path(site).resolve()):
        pytest.exit(f"gpuae is imported from {found}, and not from {site}", returncode=4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Return how many processes `--numprocesses auto` starts: each takes a gigabyte or two.

    One more than there are cores, for some tests wait for disks and other programs.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return min(4, cores + 1)


def pytest_collection_finish():
    """Let no collection of garbage look through what stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data, which not every machine has."""
    folder = Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set GPUAE_DATA, {folder} is not there")
    return folder


@pytest.fixture(params=DEVICES)
def device(request):
    """Name of a device: those of the CPU, and a GPU, whose sources run on the CPU if need be."""
    if request.param == "cuda":
        request.getfixturevalue("gpu")
    return request.param


@pytest.fixture
def ops(device):
    """The operations of each backend."""
    from gpuae.backends import Device, get_ops

    chosen = get_ops(Device(device, "the tests ask for it"))
    if device == "cuda" and REAL_GPU:
        from on_gpu import OnGpu

        return OnGpu(chosen)
    return chosen


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory):
    """A function that makes a folder which the processes that work side by side share."""
    base = tmp_path_factory.getbasetemp()

    def make(name):
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
        folder.mkdir(exist_ok=True)
        return folder

    return make


@pytest.fixture(scope="session")
def kernel_libraries(common_folder):
    """The CUDA sources as libraries for the CPU, by file name."""
    if shutil.which("g++") is None:
        _missing("g++ is not installed")
    from host_gpu import Libraries

    return Libraries(common_folder("kernels"))


@pytest.fixture
def missing():
    """A function that skips a test for want of a tool."""
    return _missing


def _missing(what):
    """Skip a test for want of a tool, but under CI, where it has to be there."""
    if UNDER_CI:
        pytest.fail(f"{what}, and under CI it has to be")
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser():
    """A browser without a window, through Playwright."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = next((own for own in found if own), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    if path is None:
        _missing("there is no Chromium")
    with sync_playwright() as playwright:
        own = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield own
        own.close()


@pytest.fixture
def gpu(request, monkeypatch):
    """Lets device=cuda run the CUDA sources on the CPU, unless a real GPU is to be tested."""
    if REAL_GPU:
        return
    from host_gpu import HostGpu

    from gpuae.backends.weighing import Strength

    libraries = request.getfixturevalue("kernel_libraries")
    stand_in = SimpleNamespace(
        open_gpu=lambda index, *, precision: HostGpu(libraries, precision=precision),
        describe=lambda index: HostGpu.name,
    )
    monkeypatch.setitem(sys.modules, "gpuae.backends.cupy_gpu", stand_in)
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: "")
    monkeypatch.setattr("gpuae.backends.cuda_driver.strength", lambda index: Strength(132, 2))


@pytest.fixture
def interpreted(monkeypatch):
    """Lets the interpreter make each call of a step, so that a test can stand in for operations."""
    from gpuae.backends.numba_ops import NumbaOps
    from gpuae.backends.numpy_ops import NumpyOps

    monkeypatch.setattr(NumbaOps, "recorders", NumpyOps.recorders)


@pytest.fixture
def low_rank():
    """A function that makes (n, d) float64 rows in [0, 1] that a small code can describe."""
    return _low_rank


def _low_rank(rows, columns, rank=2, seed=0):
    random = np.random.default_rng(seed)
    product = random.random((rows, rank)) @ random.random((rank, columns))
    return (product + 0.05 * random.random((rows, columns))) / (rank + 0.05)


@pytest.fixture(scope="session")
def run_python():
    """A function that runs a program in a new interpreter, which has to end well."""
    return _run_python


def _run_python(program, timeout=60):
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr or f"ended with {done.returncode}"
    return done.stdout
