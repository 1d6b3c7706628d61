from dataclasses import replace

import numpy as np
import pytest

from gpuae.compression import steps as module
from gpuae.compression.rows import as_type
from gpuae.compression.steps import Sample, Steps, bits_for_error, entropies, levels_of
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.storage.kinds.compressed_file import Grid
from gpuae.training.fitting import fit

MACHINE = {"machine": Machine("numpy")}


def linear(x, code_size, epochs=0):
    """A model that starts as PCA."""
    config = Config(
        hidden=(code_size,),
        activation="identity",
        code_activation="identity",
        output_activation="identity",
        scale="none",
        init="pca",
        epochs=epochs,
        device="numpy",
    )
    return fit(x, config).model


@pytest.fixture(scope="module")
def rows():
    """Rows along three axes of very different spread, and a little beside them."""
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.normal(size=(6, 6)))[0]
    return random.normal(size=(3000, 6)) * [20, 4, 1, 0.3, 0.1, 0.1] @ axes


@pytest.fixture(scope="module")
def model(rows):
    return linear(rows, 3)


@pytest.fixture(scope="module")
def steps(model, rows):
    return Steps.of(model, Sample.of(model, rows, **MACHINE), **MACHINE)


def entropy_of(column):
    shares = np.unique(column, return_counts=True)[1] / len(column)
    return -(shares * np.log2(shares)).sum()


def test_entropies_are_those_of_the_definition():
    values = np.sort(np.random.default_rng(0).integers(0, 9, (500, 4)) * [0, 1, 2, 3], axis=0)
    expected = [entropy_of(column) for column in values.T]
    np.testing.assert_allclose(entropies(values), expected, atol=1e-12)


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_values_take_as_many_bits_as_asked_for(steps, bits):
    grid = steps.grid(bits)
    found = np.mean(
        [entropy_of(np.rint(c / s)) for c, s in zip(steps.codes.T, grid.step, strict=True)]
    )
    assert found == pytest.approx(bits, abs=0.1)


def test_a_code_that_is_mostly_zeros_takes_fewer_bits_and_is_not_rounded_ever_more_finely(steps):
    few = np.where(np.random.default_rng(0).random(steps.codes.shape) < 0.05, steps.codes, 0)
    sparse = Steps(steps.weights, np.sort(few, axis=0))
    grid = sparse.grid(6)
    assert np.mean([entropy_of(column) for column in np.rint(few / grid.step).T]) < 1
    deviation = np.exp(np.log(few.std(axis=0)).mean())
    assert 2**5 < deviation / grid.step.mean() < 2**8


@pytest.mark.parametrize("count", [1, 2, 20])
def test_few_rows_are_enough_for_steps(steps, count):
    few = Steps(steps.weights, np.sort(steps.codes[::97][:count], axis=0))
    levels_of(few.grid(6), few.codes, few.level_type(few.grid(6)), 0)


def test_beyond_what_the_sample_can_tell_a_bit_is_half_a_step(steps):
    np.testing.assert_allclose(steps.grid(12).step * 2**6, steps.grid(6).step)


def test_a_unit_that_moves_rows_twice_as_far_gets_half_the_step(model, rows, steps):
    """Orthonormal axes move rows as far as their units; of one unit a longer weight changes it."""
    np.testing.assert_allclose(steps.weights, steps.weights[0], rtol=1e-4)
    parameters = model.parameters.copy()
    model.network.views(parameters)[1].weight[1] *= 2
    changed = type(model)(model.config, parameters, model.preprocess)
    sample = Sample.of(changed, rows, **MACHINE)
    found = Steps.of(changed, sample, **MACHINE).grid(6).step
    assert found[1] / found[0] == pytest.approx(0.5, rel=1e-3)


def test_steps_of_equal_cost_make_a_smaller_error_than_those_by_spread(model, rows, steps):
    def error(step):
        rounded = np.rint(steps.codes / step) * step
        return (((rounded - steps.codes) * steps.weights) ** 2).sum(axis=1).mean()

    own = steps.grid(5).step
    deviations = steps.codes.std(axis=0)
    by_spread = deviations * np.exp(np.log(own / deviations).mean())  # as many bits on average
    assert error(own) < error(by_spread) / 2


def test_zero_stays_zero(steps):
    grid = steps.grid(6)
    zeros = np.zeros((1, 3))
    np.testing.assert_array_equal(grid.values(levels_of(grid, zeros, np.dtype("int16"), 0)), 0)


def test_rounding_moves_a_code_by_half_a_step_at_most(steps):
    grid = steps.grid(7)
    levels = levels_of(grid, steps.codes, steps.level_type(grid), 0)
    away = np.abs(grid.values(levels) - steps.codes) / grid.step
    assert 0.49 < away.max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("bits", "name"), [(6, "int16"), (16, "int32")])
def test_levels_get_the_type_that_holds_them(steps, bits, name):
    assert steps.level_type(steps.grid(bits)) == name


def test_a_code_that_levels_cannot_hold_is_refused_by_its_row(steps):
    grid = steps.grid(6)
    codes = np.vstack([steps.codes[:2], steps.codes[:1] + 40_000 * grid.step])
    with pytest.raises(InputError, match="row 103 "):
        levels_of(grid, codes, np.dtype("int16"), 100)


def test_units_that_the_decoder_has_no_use_for_have_one_level_and_no_say(rows):
    flat = rows.copy()
    flat[:, :] = flat[:1] + np.outer(np.linspace(0, 1, len(rows)), np.ones(6))
    found = linear(flat, 3)
    sample = Sample.of(found, flat, **MACHINE)
    grid = Steps.of(found, sample, **MACHINE).grid(4)
    levels = levels_of(grid, sample.codes, np.dtype("int16"), 0)
    bits = sorted(entropy_of(column) for column in levels.T)
    assert bits[:2] == [0, 0]
    assert bits[2] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("added", [0.3, 0.05])
def test_bits_are_chosen_for_an_error(model, rows, added):
    sample = Sample.of(model, rows, **MACHINE)
    own = Steps.of(model, sample, **MACHINE)
    bits = bits_for_error(model, sample, own, added, **MACHINE)

    def error(codes):
        return ((module.scaled_rows(model, codes, **MACHINE) - rows) ** 2).mean()

    def added_by(bits):
        step = own.grid(bits).step
        return error(np.rint(sample.codes / step) * step) / error(sample.codes) - 1

    assert 0.5 * added < added_by(bits) <= added
    assert added_by(bits - 0.2) > added


def test_a_classifier_is_refused(model, rows):
    classifier = replace(model, classification=object())
    with pytest.raises(InputError, match="has no decoder"):
        Sample.of(classifier, rows, **MACHINE)


def test_the_sample_reaches_over_all_rows(rows):
    taken = module._spread(np.arange(100_000).reshape(-1, 1), 1024)
    assert len(taken) == 1024
    assert (taken.min(), taken.max()) == (0, 99_999)


@pytest.mark.parametrize("name", ["uint8", "int64", "uint64"])
def test_rows_of_integers_are_the_nearest_ones_within_their_range(name):
    limits = np.iinfo(name)
    made = as_type(np.array([[1.4, 1.6, -1e30, 1e30]]), np.dtype(name))
    assert made.dtype == name
    assert made[0, :3].tolist() == [1, 2, limits.min]
    assert limits.max - int(made[0, 3]) <= limits.max // 2**52


def test_floats_stay_what_they_are():
    assert as_type(np.array([[1.4]]), np.dtype("float64"))[0, 0] == 1.4


def test_a_grid_says_what_is_wrong_with_it():
    right = Grid(np.ones(2), np.zeros(2, np.int64))
    assert right.problem(2) is None
    assert "shape" in right.problem(3)
    for step in (0.0, -1.0, np.nan, np.inf):
        assert "no steps" in Grid(np.array([1.0, step]), right.first).problem(2)
