"""Counts by the deviance: the first fit, and what is refused."""

import numpy as np
import pytest

from gpuae import Autoencoder
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.evaluation import evaluate
from gpuae.machine import Machine
from gpuae.training.fitting import fit
from gpuae.verdict import judge

ROWS, SIDE = 400, 6


@pytest.fixture
def counts():
    """Images (n, 36) of a spot somewhere, a few counts high."""
    random = np.random.default_rng(3)
    away = np.mgrid[:SIDE, :SIDE] - random.uniform(1, SIDE - 2, (ROWS, 2, 1, 1))
    rates = 6 * np.exp(-(away**2).sum(axis=1) / 3) + 0.1
    return random.poisson(rates).reshape(ROWS, -1).astype("uint16")


def half_deviance(x, rate):
    entropy = np.where(x > 0, x * np.log(np.maximum(x, 1) / rate), 0.0)
    return (entropy + rate - x).mean()


def test_it_begins_better_than_the_means_and_ends_better_than_pca(counts, device):
    train, test = counts[:300], counts[300:].astype(float)
    settings = {"hidden": 2, "loss": "poisson", "device": device, "folds": 1, "validation": 0.2}
    losses = []
    for epochs in (0, 30):
        fitted = fit(train, Config.parse(settings | {"epochs": epochs, "batch_size": 32}))
        losses.append(evaluate(fitted.model, test, machine=Machine(device)).loss)
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:2]
    rebuilt = np.maximum(mean + (test - mean) @ axes.T @ axes, 0.05 * mean)
    assert losses[0] < half_deviance(test, mean)
    assert losses[1] < min(losses[0], half_deviance(test, rebuilt))
    assert fitted.model.config.scale == "none"


def test_rates_of_a_perfect_fit_cost_nothing(ops):
    x = np.array([[0.0, 1.0, 2.5, 900.0]])
    total, sums = np.zeros(1), np.zeros(4)
    z = np.log(np.maximum(x, 1e-300))
    ops.output_delta(z, np.zeros(4), x, "exponential", "poisson", 1, total, sums, False)
    np.testing.assert_allclose(total, 0, atol=1e-12)
    np.testing.assert_allclose(z, 0, atol=1e-12)


def test_the_verdict_is_of_the_deviance_and_not_held_against_pca(counts):
    settings = {"hidden": 2, "loss": "poisson", "folds": 1, "device": "cpu", "epochs": 20}
    fitted = fit(counts, Config.parse(settings))
    found, mean = judge(fitted), counts[fitted.unseen].mean(axis=0)
    rows = counts[fitted.unseen].astype(float)
    figures = evaluate(fitted.model, rows)
    expected = 1 - figures.loss / half_deviance(rows, mean)
    assert found.explained_loss == figures.explained_loss == pytest.approx(expected, rel=1e-5)
    assert f"explains {expected:.1%} of the deviance of 40 unseen rows" in str(found)
    assert "which is fitted to that" in str(found)
    assert found.advice is None
    assert found.summary()["explained_loss"] == found.explained_loss
    worse = judge(fit(counts, Config.parse(settings | {"init": "glorot", "epochs": 0})))
    assert "worse than the mean" in worse.advice
    assert "pca" not in worse.advice.lower()


def test_held_out_rows_are_counts_too(counts):
    wrong = counts.astype(np.float32)
    wrong[3, 2] = -50
    config = Config(hidden=(2,), loss="poisson", device="cpu", epochs=1)
    with pytest.raises(InputError, match=r"held-out rows: loss poisson .* span \[-50, "):
        fit(counts.astype(np.float32), config, validation=wrong)


def test_later_portions_are_counts_too(counts):
    wrong = counts.astype(np.float32)
    wrong[3, 2] = -50
    model = Autoencoder(hidden=2, loss="poisson", device="cpu").partial_fit(counts)
    before = model.model_.parameters.copy()
    with pytest.raises(InputError, match=r"rows of this portion: loss poisson .* \[-50, "):
        model.partial_fit(wrong)
    np.testing.assert_array_equal(model.model_.parameters, before)


def test_figures_of_rows_that_are_no_counts_come_with_a_note(counts):
    model = fit(counts, Config(hidden=(2,), loss="poisson", device="cpu", epochs=1)).model
    said = []
    evaluate(model, counts - 1.0, note=said.append)
    assert any("the figures of the loss mean nothing" in own for own in said)
    said.clear()
    evaluate(model, counts, note=said.append)
    assert not any("mean nothing" in own for own in said)


@pytest.mark.parametrize(("wrong", "says"), [(np.nan, "hold NaN"), (np.inf, "too wide")])
def test_what_is_no_number_is_refused(counts, wrong, says):
    rows = counts.astype(float)
    rows[5, 3] = wrong
    with pytest.raises(InputError, match=says):
        fit(rows, Config(hidden=(2,), loss="poisson", device="cpu"))
