"""Products whose factors are rounded (tf32, bf16) are as near as rounding lets them be, and steps.

u is the largest relative error of rounding a number to nearest: a product of two rounded numbers is
off by (1 + u)² − 1 of its size at most.
"""

import sys
from itertools import product

import fake_cupy
import numpy as np
import pytest
from host_gpu import HostGpu, factor, rounded

from gpuae.backends import Device, get_ops
from gpuae.backends.cupy_ops import CupyOps
from gpuae.backends.numpy_ops import NumpyOps
from gpuae.config import Config
from gpuae.training.fitting import fit

U = {"float32": 0.0, "tf32": 2.0**-11, "bf16": 2.0**-8}
SLACK = 2.0**-20
"""Of what is computed in float32 entry by entry, tanh among it."""
ROUTINES = {"float32": "cublasSgemm_v2", "tf32": "cublasGemmEx", "bf16": "cublasGemmEx"}

LONG = 5000
"""Of an inner dimension that is left to cuBLAS in every precision."""
each_precision = pytest.mark.parametrize("precision", list(U))
each_rounding = pytest.mark.parametrize("precision", ["tf32", "bf16"])


@pytest.fixture(autouse=True)
def cupy(monkeypatch, kernel_libraries):
    fake_cupy.install(monkeypatch, kernel_libraries)
    yield fake_cupy
    sys.modules.pop("gpuae.backends.cupy_gpu", None)


def normal(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def share(precision, terms):
    """Return of Σ|a||b|, of so many terms, how far a sum in float32 may be off."""
    rounding = (1 + U[precision]) ** 2 - 1
    summing = terms * 2.0**-24 / (1 - terms * 2.0**-24)
    return rounding + summing * (1 + rounding)


def made(precision, a, b, out, flags):
    """Return what a GPU of a precision makes of out, in float64."""
    ops = get_ops(Device("cuda:0", ""), precision)
    there = [ops.asarray(own.copy()) for own in (a, b, out)]
    ops.gemm(*there, *flags)
    return ops.to_host(there[2]).astype(float)


@each_precision
@pytest.mark.parametrize("flags", list(product([False, True], repeat=3)))
def test_a_product_is_off_by_what_rounding_its_factors_makes(precision, flags):
    of_a, of_b, add = flags
    a, b = normal((65, 33) if of_a else (33, 65), 0), normal((17, 65) if of_b else (65, 17), 1)
    before = normal((33, 17), 2)
    left, right = (a.T if of_a else a).astype(float), (b.T if of_b else b).astype(float)
    size = abs(left) @ abs(right) + abs(before) * add
    wanted = left @ right + before * add
    off = abs(made(precision, a, b, before, flags) - wanted)
    assert (off <= share(precision, 66) * size).all()
    assert (off > share("float32", 66) * size).any() == (precision != "float32")


@each_precision
def test_rounding_is_asked_of_cublas_for_float32_alone(cupy, monkeypatch, precision):
    used = []
    for name in ("cublasSgemm_v2", "cublasDgemm_v2", "cublasGemmEx"):
        monkeypatch.setattr(cupy.Cublas, name, lambda *_, name=name: used.append(name) or 0)
    ops = get_ops(Device("cuda:0", ""), precision)
    for dtype in ("float32", "float64"):
        a = ops.empty((2, LONG), dtype)
        ops.gemm(a, a, ops.empty((2, 2), dtype), transpose_b=True)
    assert used == [ROUTINES[precision], "cublasDgemm_v2"]


@each_rounding
def test_rounding_is_to_nearest_and_ties_to_even(precision):
    step = 2 * U[precision]
    x = np.array([1, 1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step, 3e-39, np.nan, -np.inf])
    to = rounded(x.astype(np.float32), precision)
    np.testing.assert_array_equal(to[:4], [1, 1, 1 + 2 * step, 1 + step])
    np.testing.assert_allclose(to[4:], x[4:], rtol=0.02)


@each_rounding
def test_both_stand_ins_round_alike(precision, kernel_libraries):
    a, b, out = normal((9, 4), 0), normal((4, 6), 1), np.zeros((9, 6), np.float32)
    CupyOps(HostGpu(kernel_libraries, precision=precision)).gemm(a, b, out)
    np.testing.assert_allclose(out, made(precision, a, b, out, ()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 4099, 1 << 16])
@pytest.mark.parametrize("shift", [0, 1])
def test_bfloat16_is_the_nearest_and_ties_are_even(kernel_libraries, count, shift):
    """Of words from all over, among them NaN, infinities, and what becomes infinite."""
    words = np.random.default_rng(count).integers(1 << 32, size=shift + count, dtype=np.uint32)
    words[shift:][:7] = [0x7F800000, 0xFF800000, 0x7F800001, 0x7F7FFFFF, 0x3F808000, 0x3F818000, 1][
        :count
    ]
    x = words.view(np.float32)[shift:]
    halves = CupyOps(HostGpu(kernel_libraries, precision="bf16"))._rounded(x)
    np.testing.assert_array_equal(factor(halves, "bf16"), rounded(x, "bf16"))


def program_of_products(ops, a, w, out, change):
    """Return what a program of two products of the same factors makes, with a change between."""
    (recorder,) = ops.recorders(1, lambda: None)
    own = recorder.ops
    buffers = [ops.asarray(matrix.copy()) for matrix in (a, w, out)]
    there, weight, to = buffers
    own.gemm(there, weight, to)
    change(own, there)
    own.gemm(there, weight, to, accumulate=True)
    program = recorder.take()
    program.replay(2)
    return ops.to_host(to)


CHANGES = {
    "none": lambda o, a: None,
    "zeros": lambda o, a: o.fill(a, 0.0),
    "ones": lambda o, a: o.fill(a, 1.0),
    "a part": lambda o, a: o.fill(a[3:5], 2.0),
    "added": lambda o, a: o.axpby(0.5, a, 1.0, a),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_factor_is_rounded_again_once_it_has_changed(kernel_libraries, change):
    a, w, out = normal((9, 4), 0), normal((4, 6), 1), np.zeros((9, 6), np.float32)
    gpu = HostGpu(kernel_libraries, precision="bf16")
    got = program_of_products(CupyOps(gpu), a, w, out, change)
    assert gpu.launched.count("to_bfloat16") == 2 * (2 if change is CHANGES["none"] else 3)
    for _ in range(2):
        out = rounded(a, "bf16") @ rounded(w, "bf16")
        change(NumpyOps(), a)
        out += rounded(a, "bf16") @ rounded(w, "bf16")
    np.testing.assert_allclose(got, out, rtol=1e-5, atol=1e-5)


class Near:
    """Numbers in float64, and how far from them each may be on a GPU of a precision."""

    def __init__(self, value, off):
        self.value, self.off = value, off
        self.most = abs(value) + off

    @property
    def transposed(self):
        return Near(self.value.T, self.off.T)

    def times(self, other, precision):
        """Multiply matrices."""
        most = self.most @ other.most
        inherited = most - abs(self.value) @ abs(other.value)
        terms = self.value.shape[1]
        return Near(self.value @ other.value, inherited + share(precision, terms) * most)

    def by_entry(self, value, off):
        """Return what was computed in float32 of these, off by so much if that were exact."""
        return Near(value, off + SLACK * (abs(value) + off))


def gradient(x, parameters, hidden, precision):
    """Return the gradient of the mean squared error of x·W → tanh → ·W with biases of 0."""
    rows, columns = x.shape
    first, second = np.split(parameters[: 2 * columns * hidden], 2)
    w, v = first.reshape(columns, hidden), second.reshape(hidden, columns)
    x, w, v = (Near(own, np.zeros_like(own)) for own in (x, w, v))
    z = x.times(w, precision)
    code = z.by_entry(np.tanh(z.value), z.off)
    output = code.times(v, precision)
    factor = 2 / (rows * columns)
    delta = output.by_entry(factor * (output.value - x.value), factor * output.off)
    slope = code.by_entry(1 - code.value**2, 2 * abs(code.value) * code.off + code.off**2)
    back = delta.times(v.transposed, precision)
    off = back.most * slope.most - abs(back.value * slope.value)
    inner = back.by_entry(back.value * slope.value, off)
    ones = Near(np.ones((1, rows)), np.zeros((1, rows)))
    weights = (x.transposed.times(inner, precision), code.transposed.times(delta, precision))
    biases = (ones.times(own, "float32") for own in (inner, delta))
    return [*weights, *biases]


@each_precision
def test_the_gradient_of_a_step_is_off_by_what_rounding_makes(precision):
    """A step of gradient descent with the rate 1 takes the gradient away."""
    x, hidden = normal((64, 12), 3), 5
    settings = {"hidden": (hidden,), "depth": 1, "activation": "tanh", "init": "glorot"}
    settings |= {"optimizer": "sgd", "learning_rate": 1, "schedule": "constant", "scale": "none"}
    settings |= {"batch_size": 64, "validation": 0, "device": "cuda", "precision": precision}
    before, after = (
        fit(x, Config.parse(settings | {"epochs": epochs})).model.parameters.astype(float)
        for epochs in (0, 1)
    )
    bounds = gradient(x.astype(float), before, hidden, precision)
    wanted, off = (
        np.concatenate([getattr(own, what).ravel() for own in bounds]) for what in ("value", "off")
    )
    stored = 2.0**-24 * (abs(before) + abs(after))
    error = abs(before - after - wanted)
    assert (error <= off + stored).all()
    assert np.linalg.norm(off) < (100 * U[precision] + 1e-3) * np.linalg.norm(wanted)
    relative = np.linalg.norm(error) / np.linalg.norm(wanted)
    assert U[precision] / 10 < relative < max(U[precision], 1e-6)


@each_rounding
def test_a_fit_ends_near_the_loss_of_float32(precision, low_rank):
    x = low_rank(150, 7).astype(np.float32)
    settings = {"hidden": (6, 3), "batch_size": 32, "epochs": 20, "device": "cuda"}
    settings |= {"init": "glorot", "folds": 1, "patience": 0}
    ours, full = (
        fit(x, Config.parse({**settings, "precision": own})).model for own in (precision, "float32")
    )
    loss, wanted = (own.history["loss"][-1] for own in (ours, full))
    assert loss != wanted
    assert loss == pytest.approx(wanted, rel=0.01)
    assert ours.config.stored()["precision"] == precision
    assert ours.parameters.dtype == np.float32
