"""Fixtures for all tests of the numeric core."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DEVICES = ("numpy", "cpu")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data, which not every machine has."""
    folder = Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set GPUAE_DATA, {folder} is not there")
    return folder


@pytest.fixture(params=DEVICES)
def device(request):
    """Name of a device of this machine's CPU."""
    return request.param


@pytest.fixture
def ops(device):
    """The operations of each backend of the CPU."""
    from gpuae.backends import Device, get_ops

    return get_ops(Device(device, "the tests ask for it"))


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


@pytest.fixture
def run_python():
    """A function that runs a program in a new interpreter, which has to end well."""
    return _run_python


def _run_python(program, timeout=60):
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr or f"ended with {done.returncode}"
    return done.stdout
