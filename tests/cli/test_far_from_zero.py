"""Rows whose values a float32 does not hold come back from a model as they went in."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.encoding import into, reconstruct
from gpuae.model.model import Model

FIT = ("--hidden", 2, "--epochs", 1, "--patience", 0)
FIT += ("--activation", "identity", "--output-activation", "identity")


def far(offset, spread):
    return offset + spread * np.random.default_rng(0).random((60, 3))


@pytest.mark.parametrize(
    ("x", "settings", "expected"),
    [
        (far(50, 20), (), "float32"),
        (far(50, 20), ("--dtype", "float64"), "float64"),
        (far(50, 20), ("--whiten", "zca"), "float32"),
        (far(1e9, 1), (), "float64"),
        (far(1e9, 1), ("--scale", "none", "--whiten", "zca"), "float64"),
        (far(0, 1e42), (), "float64"),
        (far(0, 1e-42), (), "float64"),
    ],
)
def test_reconstructed_rows_are_written_in_a_type_that_holds_them(gpuae, x, settings, expected):
    np.save("x.npy", x)
    assert gpuae("fit", "x.npy", "-o", "m.h5", *FIT, *settings).code == 0
    for command, data in (("encode", "x.npy"), ("reconstruct", "x.npy"), ("decode", "encode.h5")):
        assert gpuae(command, "m.h5", data, "-o", f"{command}.h5").code == 0
    assert gpuae("reconstruct", "m.h5", "x.npy", "-o", "table.csv").code == 0
    table = np.loadtxt("table.csv", delimiter=",", skiprows=1, dtype=expected)
    with h5py.File("reconstruct.h5") as rebuilt, h5py.File("decode.h5") as decoded:
        own = rebuilt["data/x"][:]
        assert own.dtype == decoded["data/x"].dtype == expected
        np.testing.assert_allclose(decoded["data/x"][:], own, rtol=0, atol=1e-5 * np.ptp(x))
    np.testing.assert_array_equal(table, own)
    exact = np.empty_like(x)
    reconstruct(Model.load(Path("m.h5")), x, into(exact))
    np.testing.assert_allclose(own, exact, rtol=0, atol=1e-5 * np.ptp(x))


def test_a_code_that_float32_cannot_hold_is_refused(gpuae):
    np.save("x.npy", far(0, 1e42))
    made = gpuae("fit", "x.npy", "-o", "m.h5", *FIT, "--scale", "none", "--dtype", "float64",
                 "--init", "glorot")  # fmt: skip
    assert made.code == 0, made.err
    done = gpuae("encode", "m.h5", "x.npy", "-o", "codes.h5")
    assert done.code == 2
    assert "row 0" in done.err
    assert "float32" in done.err
