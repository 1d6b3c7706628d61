"""The checks of a GPU see whether rounded factors are used, and where they do harm."""

import numpy as np
import pytest

from bench import gpu_fits
from bench.gpu_probe import Probe
from gpuae.backends import Device

pytestmark = pytest.mark.usefixtures("gpu")
GPU = Device("cuda:0", "")
DEEP = {"hidden": (6, 3), "batch_size": 32, "init": "glorot", "folds": 1, "patience": 0}


def test_products_are_tried_in_each_precision():
    said = Probe(GPU).products_are_right()
    errors = {name: float(error) for name, error in (own.split() for own in said.split(", "))}
    assert list(errors) == ["float32", "float64", "tf32", "bf16"]
    assert errors["float32"] < 1e-6
    assert 1e-5 < errors["tf32"] < errors["bf16"] < 1e-2


def test_that_no_factors_are_rounded_is_said(monkeypatch):
    import host_gpu

    monkeypatch.setattr(host_gpu, "rounded", lambda factor, precision: factor)
    assert Probe(GPU).products_are_right().count("(not rounded)") == 1


def test_factors_that_are_rounded_too_far_are_a_failure(monkeypatch):
    import host_gpu

    monkeypatch.setitem(host_gpu.SIGNIFICANT_BITS, "tf32", 5)
    with pytest.raises(AssertionError, match="tf32"):
        Probe(GPU).products_are_right()


@pytest.mark.parametrize("harmed", [False, True])
def test_fits_with_rounded_factors_have_to_end_near_float32(capsys, low_rank, harmed):
    x = low_rank(150, 7).astype(np.float32)
    wanted = float(gpu_fits.fitted(x, DEEP, "cuda").history["loss"][-1])
    assert gpu_fits.rounded_end_near(x, DEEP, "cuda", wanted * (1 + harmed / 40)) != harmed
    said = [own for own in capsys.readouterr().out.splitlines() if not own.startswith(" ")]
    assert [own[:4].strip() for own in said] == ["FAIL" if harmed else "ok"] * 2
    assert all(f"{wanted:.6f}" in own for own in said) != harmed
