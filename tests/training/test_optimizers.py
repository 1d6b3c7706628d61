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
        for part in parts:
            optimizer.update(part, parameters, np.array(gradient)[part], clock)
        ops.advance(clock, 1)
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


def test_a_constant_rate_stays():
    rate = LearningRate(Config(learning_rate=0.3))
    for epoch in range(20):
        assert rate.of(epoch) == 0.3
        rate.observe(1.0)


def test_a_cosine_goes_from_the_full_rate_down_to_nearly_zero():
    rate = LearningRate(Config(learning_rate=0.4, schedule="cosine", epochs=4))
    expected = [0.4, 0.2 * (1 + np.sqrt(0.5)), 0.2, 0.2 * (1 - np.sqrt(0.5))]
    np.testing.assert_allclose([rate.of(epoch) for epoch in range(4)], expected, rtol=1e-12)


def test_a_plateau_halves_the_rate_after_three_epochs_without_gain():
    rate = LearningRate(Config(learning_rate=0.8, schedule="plateau"))
    losses = [5, 4, 4, 4.5, 4, 3, 3, 3, 3, 3.5, 3, 3]
    rates = []
    for epoch, loss in enumerate(losses):
        rates.append(rate.of(epoch))
        rate.observe(loss)
    assert rates == [0.8] * 5 + [0.4] * 4 + [0.2] * 3
    assert rate.of(len(losses)) == 0.1


def test_a_loss_that_is_no_number_is_no_gain():
    rate = LearningRate(Config(learning_rate=0.8, schedule="plateau"))
    for loss in (1.0, np.nan, np.nan, np.nan):
        rate.observe(loss)
    assert rate.of(4) == 0.4
