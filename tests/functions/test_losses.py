"""What the records of the losses say of themselves is so."""

import numpy as np
import pytest

from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import ANY_TARGETS, LOSSES

each = pytest.mark.parametrize("own", LOSSES.values(), ids=LOSSES)
SHAPE = (4, 6)
PARAMETER = 0.7


def output_of(own):
    """Return an activation that the output may have."""
    return own.output or ACTIVATIONS["tanh"]


def rows(own):
    random = np.random.default_rng(0)
    return random.standard_normal(SHAPE), random.random(SHAPE)


def test_they_are_known_by_their_names():
    assert list(LOSSES)[:3] == ["mse", "sse", "bce"]
    assert all(name == own.name for name, own in LOSSES.items())


@pytest.mark.parametrize("size", [1e-80, 1.0, 1e80])
def test_cosine_does_not_depend_on_the_size_of_the_numbers(size):
    output, target = rows(LOSSES["cosine"])
    own = LOSSES["cosine"].between(size * output, size * target, PARAMETER)
    assert own == pytest.approx(LOSSES["cosine"].between(output, target, PARAMETER), rel=1e-12)


def test_cross_entropy_from_outputs_alone():
    output, target = np.array([[0.9, 0.2]]), np.array([[1.0, 0.0]])
    expected = -(np.log(0.9) + np.log(0.8)) / 2
    assert LOSSES["bce"].between(output, target, PARAMETER) == pytest.approx(expected, rel=1e-12)
    assert LOSSES["bce"].between(target, target, PARAMETER) == pytest.approx(0, abs=1e-12)


@each
def test_the_error_is_the_values_derivative(own):
    f, (z, x), h = output_of(own), rows(own), 1e-6
    a = f.value(z)
    slope = 1.0 if own.output else f.derivative(z, a)
    got = own.delta_factor(SHAPE[1]) * own.errors(a, x, PARAMETER) * slope

    def value(moved):
        return own.value(moved, f.value(moved), x, PARAMETER)

    expected = np.zeros(SHAPE)
    for place in np.ndindex(SHAPE):
        step = np.zeros(SHAPE)
        step[place] = h
        expected[place] = (value(z + step) - value(z - step)) / (2 * h)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


@each
def test_the_compiled_functions_are_the_definition(own):
    f, (z, x) = output_of(own), rows(own)
    a, number = f.value(z), np.float64(PARAMETER)
    if own.compiled_row:
        products = [(p * q).sum(axis=1) for p, q in ((a, x), (a, a), (x, x))]
        outcomes = [own.compiled_row(*row, number) for row in zip(*products, strict=True)]
        terms, p, q = np.transpose(outcomes)
        np.testing.assert_allclose(terms, own.terms(z, a, x, PARAMETER), rtol=1e-12)
        errors = p[:, None] * x + q[:, None] * a
        np.testing.assert_allclose(errors, own.errors(a, x, PARAMETER), rtol=1e-12)
        return
    terms, errors = own.terms(z, a, x, PARAMETER), own.errors(a, x, PARAMETER)
    for place in np.ndindex(SHAPE):
        if own.compiled_outcome:
            output, term = own.compiled_outcome(z[place], x[place], number)
            assert output == pytest.approx(a[place], rel=1e-14)
            assert output - x[place] == pytest.approx(errors[place], rel=1e-12)
        else:
            error = a[place] - x[place]
            term = own.compiled_term(error, number)
            assert own.compiled_error(error, number) == pytest.approx(errors[place], rel=1e-14)
        assert term == pytest.approx(terms[place], rel=1e-12)


@each
def test_a_loss_with_an_activation_of_its_own_takes_no_other(own):
    taken = [name for name in ACTIVATIONS if own.takes(name)]
    assert taken == ([own.output.name] if own.output else list(ACTIVATIONS))
    assert bool(own.reason) == bool(own.output) == bool(own.compiled_outcome)


@each
def test_targets_say_what_they_include(own):
    targets = own.targets
    assert targets.include(targets.lowest, targets.highest)
    if targets is not ANY_TARGETS:
        assert not targets.include(-1e-9, 0.5)
        assert targets.words
        assert targets.remedy
