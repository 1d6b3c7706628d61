"""Training that is fed: portions of rows, numbered by a running count."""

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import ConfigError, DivergedError
from gpuae.training.partial import PartialFit

SETTINGS = {"hidden": (3,), "init": "glorot", "batch_size": 20, "scale": "none", "tile_rows": 20}


@pytest.fixture
def x(low_rank):
    return low_rank(120, 6)


def fed(portions, **settings):
    training = PartialFit(portions[0], Config.parse(SETTINGS | settings))
    for portion in portions:
        training.feed(portion)
    return training


@pytest.mark.parametrize(
    "noise", ["none", "gaussian", "clipped_gaussian", "masking", "salt_pepper"]
)
def test_portions_of_whole_batches_are_like_one(device, x, noise):
    """With noise and dropout too: rows are numbered by a running count."""
    settings = {"dropout": 0.2, "device": device, "noise": noise}
    if noise != "none":
        settings["noise_level"] = 0.3
    if noise in ("salt_pepper", "clipped_gaussian"):  # ends are learnt from the first portion
        x[0], x[1] = x.min(axis=0), x.max(axis=0)
    whole = fed([x], **settings).model()
    parts = fed([x[:40], x[40:60], x[60:]], **settings).model()
    np.testing.assert_array_equal(parts.parameters, whole.parameters)


def test_a_portion_gets_noise_of_its_own(x):
    """The same rows a second time are other rows, with other noise."""
    settings = {"noise": "masking", "noise_level": 0.5}
    once = fed([x[:20], x[:20]], **settings).model().parameters
    shifted = fed([x[20:40], x[:20], x[:20]], **settings).model().parameters
    assert not np.array_equal(once, shifted)


def test_feeding_lowers_the_loss(device, x):
    training = PartialFit(x, Config.parse(SETTINGS | {"learning_rate": 0.02, "device": device}))
    losses = []
    for _ in range(30):
        training.feed(x)
        losses.append(training.loss)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("sizes", [[1, 119], [7, 50, 63], [100, 20]])
def test_portions_of_any_size_are_taken(device, x, sizes):
    portions = np.split(x, np.cumsum(sizes)[:-1])
    training = fed(portions, device=device, sparsity="kl")
    assert np.isfinite(training.loss)
    assert np.isfinite(training.model().parameters).all()


def test_scaling_is_learnt_from_the_first_portion(x):
    model = fed([x[:40], 100 + x[40:]], scale="minmax").model()
    np.testing.assert_array_equal(model.preprocess.center, x[:40].min(axis=0))


def test_a_full_batch_cannot_be_fed(x):
    with pytest.raises(ConfigError, match="lbfgs"):
        PartialFit(x, Config(optimizer="lbfgs"))


def test_a_portion_that_diverges_is_taken_back(x):
    wild = {"optimizer": "sgd", "learning_rate": 1e30, "output_activation": "identity"}
    training = PartialFit(x, Config.parse(SETTINGS | wild))
    before = training.model().parameters
    with pytest.raises(DivergedError, match="learning_rate"):
        training.feed(np.repeat(x, 5, axis=0))
    np.testing.assert_array_equal(training.model().parameters, before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, from NumPy
@pytest.mark.parametrize(
    ("settings", "bad"),
    [
        ({"optimizer": "adam"}, 1e12),  # loss and weights stay finite, and one moment does not
        ({"optimizer": "adam"}, 1e30),
        ({"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1}, 1e30),
    ],
)
def test_nothing_is_left_of_a_portion_that_diverges(device, x, settings, bad):
    linear = {"activation": "identity", "output_activation": "identity", "init": "glorot"}
    linear |= {"device": device}
    x = x.astype(np.float32)
    spoilt, clean = (fed([x[:60]], **settings | linear) for _ in range(2))
    with pytest.raises(DivergedError, match="rows in the range"):
        spoilt.feed(np.float32(bad) * x[60:])
    spoilt.feed(x[60:])
    clean.feed(x[60:])
    np.testing.assert_array_equal(spoilt.model().parameters, clean.model().parameters)


def test_a_moment_may_be_too_large_to_square(x):
    linear = {"activation": "identity", "output_activation": "identity", "init": "glorot"}
    training = fed([1e45 * x], dtype="float64", **linear)
    assert np.isfinite(training.loss)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_schedule_is_refused_because_there_are_no_epochs(x, schedule):
    with pytest.raises(ConfigError, match=f"schedule={schedule} .*leave schedule out"):
        PartialFit(x, Config.parse(SETTINGS | {"schedule": schedule}))


def test_layers_cannot_be_trained_one_by_one_on_portions(x):
    with pytest.raises(ConfigError, match=r"pretrain .* portions"):
        PartialFit(x, Config(hidden=(4, 2), pretrain=3))


def test_a_model_of_lbfgs_cannot_be_fed(x):
    from gpuae.training.fitting import fit

    fitted = fit(x, Config(hidden=(2,), optimizer="lbfgs", epochs=1)).model
    with pytest.raises(ConfigError, match="lbfgs"):
        PartialFit(x, Config(hidden=(2,)), fitted)
