"""Fixtures for all tests of the numeric core."""

import subprocess
import sys

import numpy as np
import pytest

DEVICES = ("numpy", "cpu")


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
