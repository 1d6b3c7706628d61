"""How far the float32 functions of the compiled backend are from the truth, over their domains."""

import numpy as np
import pytest
from numba import njit
from scipy import special

from gpuae.backends import numba_math

ONE = np.float32(1).view(np.int32)


def compiled(function, dtype):
    """Compile a loop over the function as the kernels do, but never take it from a cache."""

    @njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def run(x):
        out = np.empty(len(x), dtype)
        loop(x.astype(dtype), out)
        return out

    return run


def bit_patterns(low, high, count=1 << 21):
    """Return float32 numbers from low to high, evenly by their bits, both ends included."""
    ends = np.array([low, high], np.float32).view(np.int32).astype(np.int64)
    return np.linspace(*ends, count).astype(np.int32).view(np.float32)


def both_signs(x):
    return np.concatenate([-x[::-1], x])


TINY = np.finfo(np.float32).tiny
UNIT = np.concatenate([np.zeros(1, np.float32), bit_patterns(TINY, 1.0)])
CASES = {
    # name: numbers, truth, largest relative and largest absolute error (one of them has to hold)
    "exp": (both_signs(bit_patterns(1e-9, 87.0)), np.exp, 2.5e-7, 0.0),
    "expm1": (both_signs(bit_patterns(1e-30, 87.0)), np.expm1, 2.5e-7, 0.0),
    "log": (bit_patterns(TINY, np.finfo(np.float32).max), np.log, 2.5e-7, 1e-7),
    "tanh": (both_signs(bit_patterns(1e-30, 20.0)), np.tanh, 2.5e-7, 0.0),
    "log1p": (
        np.concatenate([UNIT, bit_patterns(1.0, np.finfo(np.float32).max / 2)]),
        np.log1p,
        2.5e-7,
        0.0,
    ),
    "log1p_unit": (UNIT, np.log1p, 2.5e-7, 0.0),
    "normal_cdf": (both_signs(bit_patterns(1e-30, 12.5)), special.ndtr, 6e-7, 6e-8),
    "sin_turn": (np.linspace(0, 1, 1 << 21), special.sindg, 0.0, 4e-7),
    "cos_turn": (np.linspace(0, 1, 1 << 21), special.cosdg, 0.0, 4e-7),
}


@pytest.mark.parametrize("name", CASES)
def test_the_largest_error_in_float32(name):
    numbers, truth, relative, absolute = CASES[name]
    x = numbers.astype(np.float32)
    scale = 360.0 if name.endswith("turn") else 1.0
    expected = truth(scale * x.astype(np.float64))
    error = np.abs(compiled(getattr(numba_math, name), "float32")(x) - expected)
    limit = np.maximum(relative * np.abs(expected), absolute)
    worst = np.argmax(error - limit)
    assert (error <= limit).all(), f"{name}({x[worst]!r}) is off by {error[worst]:.3g}"


@pytest.mark.parametrize("name", CASES)
def test_float64_is_exact_to_rounding(name):
    numbers, truth, _, _ = CASES[name]
    x = numbers[:: len(numbers) // 50_000].astype(np.float64)
    scale = 360.0 if name.endswith("turn") else 1.0
    got = compiled(getattr(numba_math, name), "float64")(x)
    np.testing.assert_allclose(got, truth(scale * x), rtol=1e-14, atol=2e-15)


def test_exp_keeps_its_value_beyond_its_domain():
    got = compiled(numba_math.exp, "float32")(np.array([-1e4, -87, 88, 1e4, np.inf, -np.inf]))
    assert got[0] == got[1] == got[5] < 2e-38
    assert got[3] == got[2] == got[4] > 1e38
    assert np.isfinite(got).all()


def test_tanh_of_large_numbers_is_one():
    x = np.array([9.1, 50, 1e4, 1e38, np.inf])
    run = compiled(numba_math.tanh, "float32")
    np.testing.assert_array_equal(run(x), np.ones(5))
    np.testing.assert_array_equal(run(-x), -np.ones(5))


def test_tanh_is_zero_at_zero_and_odd():
    run = compiled(numba_math.tanh, "float32")
    x = bit_patterns(1e-30, 20.0, 1 << 12)
    assert run(np.zeros(1))[0] == 0
    np.testing.assert_array_equal(run(x), -run(-x))


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh", "log1p", "log1p_unit", "normal_cdf"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_stays_nan(name, dtype):
    assert np.isnan(compiled(getattr(numba_math, name), dtype)(np.array([np.nan]))).all()


def test_log_of_one_is_exactly_zero():
    """Box–Muller takes the root of −2·log, for words that round to 1 too."""
    run = compiled(numba_math.log, "float32")
    just_below = np.arange(ONE - 4096, ONE + 1, dtype=np.int32).view(np.float32)
    values = run(just_below)
    assert values[-1] == 0
    assert (values <= 0).all()
    assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_activations_stay_within_their_range(activation):
    from gpuae.backends.numba_ops import NumbaOps

    z = both_signs(bit_patterns(1e-9, 1e30, 1 << 18))[None]
    a = z.copy()
    NumbaOps().bias_activation(a, np.zeros(z.shape[1], np.float32), activation)
    low = 0.0 if activation == "sigmoid" else -1.0
    assert a.min() >= low
    assert a.max() <= 1
    truth = special.expit(z.astype(float)) if activation == "sigmoid" else np.tanh(z.astype(float))
    assert np.abs(a - truth).max() <= 2e-7
