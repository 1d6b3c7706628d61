"""Outputs of mixed tables: numbers keep their loss, each group of categories is a softmax."""

import numpy as np
import pytest

from gpuae.backends import get_ops, resolve_device
from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.functions.losses import LOSSES
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.outcome import outcome_of
from gpuae.model.statistics import column_statistics
from gpuae.model.tile import Tile
from gpuae.training.gradcheck import LIMIT, check_gradient
from gpuae.training.preparation import prepare

SIZES = (2, 3)
NUMBERS = 4
COLUMNS = NUMBERS + sum(SIZES)


@pytest.fixture(params=["numpy", "cpu"])
def device(request):
    return request.param


def settings(device="numpy", **others):
    return Config.parse({"hidden": 3, "device": device, **others})


def outputs(device, loss="mse", rows=5):
    """Return operations, an outcome, and products, bias and targets for it."""
    random = np.random.default_rng(3)
    config = settings(device, loss=loss, dtype="float64", output_activation=output_of(loss))
    network = mirrored_autoencoder(resolved(config), COLUMNS, SIZES)
    ops = get_ops(resolve_device(device))
    tile = Tile.allocate(ops, network, config, rows, training=True)
    target = random.random((rows, COLUMNS))
    target[:, NUMBERS:] = [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0]] * 2 + [[0, 0, 0, 0, 1]]
    z, bias = random.standard_normal((rows, COLUMNS)), random.standard_normal(COLUMNS)
    return ops, outcome_of(network, config, tile), z, bias, target


def output_of(loss):
    own = LOSSES[loss].output
    return own.name if own else "identity"


def resolved(config):
    return config.model_copy(update={"activation": "relu", "code_activation": "identity"})


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_numbers_are_rebuilt_and_each_group_sums_to_one(device):
    ops, outcome, z, bias, _ = outputs(device)
    logits = z + bias
    outcome.finish(ops, z, bias)
    np.testing.assert_allclose(z[:, :NUMBERS], logits[:, :NUMBERS], rtol=1e-12)
    np.testing.assert_allclose(z[:, 4:6], softmax(logits[:, 4:6]), rtol=1e-9)
    np.testing.assert_allclose(z[:, 6:9], softmax(logits[:, 6:9]), rtol=1e-9)


def test_the_loss_is_that_of_the_numbers_and_a_cross_entropy_for_each_group(device):
    ops, outcome, z, bias, target = outputs(device)
    logits, total = z + bias, np.zeros(1)
    outcome.add_loss(ops, z, bias, target, total, None)
    expected = ((logits[:, :4] - target[:, :4]) ** 2).mean(axis=1).sum()
    for own in (slice(4, 6), slice(6, 9)):
        expected -= (target[:, own] * np.log(softmax(logits[:, own]))).sum()
    assert total[0] == pytest.approx(expected, rel=1e-9)


def test_a_row_of_no_category_has_neither_loss_nor_slope_there(device):
    ops, outcome, z, bias, target = outputs(device)
    target[:, NUMBERS:] = 0
    total, sums = np.zeros(1), np.ones(COLUMNS)
    expected = ((z + bias - target)[:, :NUMBERS] ** 2).mean(axis=1).sum()
    outcome.delta(ops, z, bias, target, 5, total, sums, False, None)
    assert total[0] == pytest.approx(expected)
    assert not z[:, NUMBERS:].any()
    assert not sums[NUMBERS:].any()


@pytest.mark.parametrize("loss", ["mse", "sse", "bce", "huber", "poisson"])
@pytest.mark.parametrize("decoder", ["untied", "tied"])
def test_the_gradient_is_the_slope_of_the_whole_loss(device, loss, decoder):
    config = settings(device, loss=loss, decoder=decoder)
    found = check_gradient(config, rows=7, columns=COLUMNS, categories=SIZES)
    assert max(own.error for own in found) < LIMIT


def test_rows_of_weights_count_in_both_parts(device):
    config = settings(device)
    found = check_gradient(config, rows=7, columns=COLUMNS, categories=SIZES, weighted=True)
    assert max(own.error for own in found) < LIMIT


def test_categories_alone_have_a_gradient_too(device):
    found = check_gradient(settings(device), rows=7, columns=5, categories=SIZES)
    assert max(own.error for own in found) < LIMIT


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"loss": "cosine"}, "loss: cosine"),
        ({"whiten": "pca"}, "whiten: pca"),
        ({"scale": "sigma"}, "scale: sigma"),
        ({"pretrain": 3}, "pretrain"),
    ],
)
def test_what_mixes_columns_is_refused(given, named):
    x = np.random.default_rng(0).random((9, COLUMNS))
    order = np.arange(9)
    with pytest.raises(ConfigError, match=f"{named}.*columns of categories do not allow"):
        prepare(x, order, settings(**given), column_statistics(x, order), categories=SIZES)


def test_categories_are_taken_as_they_are():
    x = np.random.default_rng(0).random((9, COLUMNS)) + 5
    order = np.arange(9)
    found = prepare(x, order, settings(), column_statistics(x, order), categories=SIZES).preprocess
    assert (found.factor[NUMBERS:] == 1).all()
    assert not found.center[NUMBERS:].any()
    assert (found.center[:NUMBERS] > 5).all()
