"""Mini-batch optimizers step by step, and the learning rate of each epoch."""

import numpy as np
import pytest

from gpuae.backends.ops import Clock
from gpuae.config import Config
from gpuae.training.optimizers import LearningRate, create_optimizer


def walk(ops, config, gradients, parts=(slice(0, 3),), rate=0.1):
    """Return where the parameters (1, −2, 3) get to by these gradients."""
    clock = Clock(np.zeros(4, np.int64), np.array([rate]))
    parameters = np.array([1.0, -2.0, 3.0])
    optimizer = create_optimizer(ops, 3, config)
    for gradient in gradients:
        ops.advance(clock, 1)
        for part in parts:
            optimizer.update(part, parameters, np.array(gradient)[part], clock)
    return parameters


GRADIENTS = [[0.5, -1.0, 0.0], [0.25, 2.0, 1e-3], [-4.0, 0.5, 1.0]]


def test_adam_walks_as_the_paper_says(ops):
    w, m, v = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(np.array(GRADIENTS), 1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        w = w - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    got = walk(ops, Config(dtype="float64"), GRADIENTS)
    np.testing.assert_allclose(got, w, rtol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_walks_with_momentum(ops, momentum):
    w, velocity = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    for gradient in np.array(GRADIENTS):
        velocity = momentum * velocity - 0.1 * gradient
        w = w + velocity
    config = Config(optimizer="sgd", momentum=momentum, dtype="float64")
    np.testing.assert_allclose(walk(ops, config, GRADIENTS), w, rtol=1e-13)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_vector_may_be_moved_part_by_part(ops, optimizer):
    config = Config(optimizer=optimizer, dtype="float64")
    whole = walk(ops, config, GRADIENTS)
    parts = walk(ops, config, GRADIENTS, parts=(slice(2, 3), slice(0, 2)))
    np.testing.assert_array_equal(parts, whole)


def rates(steps, epoch_steps, losses=(), **settings):
    """The rate of each step, the losses heard after each epoch."""
    rate = LearningRate(Config(**settings), epoch_steps)
    found = []
    while len(found) < steps:
        value, count = rate.of(len(found))
        found += [value] * min(count, epoch_steps - len(found) % epoch_steps)
        if len(found) % epoch_steps == 0 and len(found) // epoch_steps <= len(losses):
            rate.observe(losses[len(found) // epoch_steps - 1])
    return found[:steps]


def test_a_constant_rate_stays():
    losses = [1.0] * 20
    found = rates(40, 2, losses, learning_rate=0.3, schedule="constant", epochs=20)
    assert found == [0.3] * 40


def test_a_cosine_goes_from_the_full_rate_down_to_nearly_zero_by_the_epoch():
    expected = [0.4, 0.2 * (1 + np.sqrt(0.5)), 0.2, 0.2 * (1 - np.sqrt(0.5))]
    found = rates(12, 3, learning_rate=0.4, schedule="cosine", epochs=4)
    np.testing.assert_allclose(found, np.repeat(expected, 3), rtol=1e-12)


@pytest.mark.parametrize(("epochs", "epoch_steps"), [(1, 1000), (1000, 1), (70, 13), (3, 1)])
def test_a_warm_up_comes_before_a_cosine_whatever_epochs_are(epochs, epoch_steps):
    total = epochs * epoch_steps
    settings = {"schedule": "warmup_cosine", "learning_rate": 0.4, "epochs": epochs}
    found = np.array(rates(total, epoch_steps, **settings))
    share = (np.arange(total) + 0.5) / total
    exact = 0.4 * np.minimum(1, share / 0.05) * (1 + np.cos(np.pi * share)) / 2
    np.testing.assert_allclose(found, exact, atol=0.4 * 0.11)
    assert 0 < found[-1] < 0.1
    assert np.argmax(found) <= 0.06 * total


def test_a_rate_holds_for_as_many_steps_as_it_says():
    rate = LearningRate(Config(schedule="warmup_cosine", learning_rate=1, epochs=10), 100)
    for step in (0, 3, 9, 10, 555, 999):
        value, count = rate.of(step)
        assert rate.of(step + count - 1) == (value, 1)
        assert rate.of(step + count)[0] != value


def test_a_plateau_halves_the_rate_after_three_epochs_without_gain():
    losses = [5, 4, 4, 4.5, 4, 3, 3, 3, 3, 3.5, 3, 3]
    settings = {"learning_rate": 0.8, "schedule": "plateau", "epochs": 20}
    found = rates(13, 1, losses, **settings)
    assert found == [0.8] * 5 + [0.4] * 4 + [0.2] * 3 + [0.1]


def test_a_loss_that_is_no_number_is_no_gain():
    losses = (1.0, np.nan, np.nan, np.nan)
    found = rates(5, 1, losses, learning_rate=0.8, schedule="plateau", epochs=9)
    assert found[4] == 0.4
