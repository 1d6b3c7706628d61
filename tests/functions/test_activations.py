"""What the records of the activations say of themselves is so."""

import dataclasses
import math

import numpy as np
import pytest

from gpuae.functions.activations import ACTIVATIONS, OUTPUT_MARGIN, Nearly, Pairs, Straight

each = pytest.mark.parametrize("own", ACTIVATIONS.values(), ids=ACTIVATIONS)
Z = np.concatenate([np.linspace(-6, 6, 97) + 1e-3, [-30.0, 30.0]])
"""Not 0, where rectifiers have no derivative."""


def test_they_are_known_by_their_names():
    assert list(ACTIVATIONS)[:5] == ["sigmoid", "tanh", "relu", "leaky_relu", "identity"]
    assert all(name == own.name for name, own in ACTIVATIONS.items())
    assert len({own.struct for own in ACTIVATIONS.values()}) == len(ACTIVATIONS)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_derivative_keep_the_type(own, dtype):
    z = Z.astype(dtype)[None]
    a = own.value(z)
    assert a.dtype == own.derivative(z, a).dtype == dtype


@each
def test_the_derivative_is_that_of_the_value(own):
    h = 1e-6
    expected = (own.value(Z + h) - own.value(Z - h)) / (2 * h)
    got = own.derivative(Z, own.value(Z))
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9)


@each
def test_the_derivative_needs_what_it_says(own):
    a = own.value(Z)
    without_z = own.derivative(np.full_like(Z, np.nan), a)
    if not own.needs_z:
        np.testing.assert_array_equal(without_z, own.derivative(Z, a))
    else:
        assert np.isnan(without_z).any()


@each
def test_the_compiled_functions_are_the_definition(own):
    """As Python runs them; compiled they are compared by the operations' tests."""
    z = [np.float64(value) for value in Z]
    a = [own.compiled_value(value) for value in z]
    slopes = [own.compiled_derivative(*pair) for pair in zip(z, a, strict=True)]
    np.testing.assert_allclose(a, own.value(Z), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(slopes, own.derivative(Z, own.value(Z)), rtol=1e-14, atol=1e-15)


@each
def test_values_lie_in_the_range_and_come_near_its_ends(own):
    a, (low, high) = own.value(np.linspace(-40, 40, 8001)), own.range
    assert low <= a.min() <= a.max() <= high
    assert a.min() < -0.1 if math.isinf(low) else a.min() <= low + 1e-3
    assert a.max() > 10 if math.isinf(high) else a.max() >= high - 1e-3
    assert not own.bounded or own.range in ((0, 1), (-1, 1)), "what a penalty can make a share of"


@each
def test_a_score_is_carried_as_it_says(own):
    f, carries = own.value, own.carries
    match carries:
        case Straight():
            np.testing.assert_array_equal(f(Z), Z)
        case Pairs():
            np.testing.assert_allclose(f(Z) - f(-Z), carries.gain * Z, rtol=1e-13)
            assert f(np.zeros(1)) == carries.middle
            above = carries.straight_from + np.linspace(0, 20, 99)
            np.testing.assert_allclose(f(above), above, atol=0.02)
        case Nearly():
            small = 0.3 * carries.reach * np.linspace(-1, 1, 9)
            line = f(np.zeros(1)) + carries.slope * small
            bent = np.abs(f(small) - line).max()
            assert bent <= 0.03 * np.ptp(line)


@each
def test_the_inverse_finds_a_mean_and_the_slope_there(own):
    low, high = own.range
    mean = own.value(np.linspace(0.05, 2, 9))
    z, slope = own.inverse(mean, np.zeros(len(mean)))
    np.testing.assert_allclose(own.value(z), mean, rtol=1e-6)
    np.testing.assert_allclose(slope, own.derivative(z, mean), rtol=1e-6)
    far = np.array([-9.0, low, 0.0, high, 9.0])
    far = far[np.isfinite(far)]
    z, slope = own.inverse(far, np.full(len(far), 3.0))
    assert np.isfinite(z).all()
    assert (slope >= min(OUTPUT_MARGIN / 2, 0.01)).all()


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACTIVATIONS["relu"].name = "other"
