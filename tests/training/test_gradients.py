"""Backpropagation gives the derivative of J: for every allowed combination, by central differences.

And J itself is what the formulas say: an autoencoder written down once more, in plain NumPy.
"""

import itertools

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.functions import activations
from gpuae.functions.losses import LOSSES
from gpuae.training.gradcheck import LIMIT, check_gradient

ACTIVATIONS = list(activations.ACTIVATIONS)
HIDDEN = {1: (3,), 2: (3, 2), 3: (4, 3, 2)}
OWN = {"kl": {"rho": 0.2, "beta": 0.5}, "l1": {"l1": 0.1}, "topk": {"k": 1}, "none": {}}
COMBINATIONS = 1683
NUMPY_SAMPLE = 7
"""Every so many combinations are checked on device=numpy too; the others with `long`."""


def combinations(activation, output_activation):
    """Return all allowed configurations with these activations."""
    found = []
    for loss, sparsity, decoder, depth in itertools.product(
        LOSSES, OWN, ("untied", "transpose", "tied"), HIDDEN
    ):
        settings = {
            "hidden": HIDDEN[depth],
            "activation": activation,
            "output_activation": output_activation,
            "loss": loss,
            "sparsity": sparsity,
            "decoder": decoder,
            "weight_decay": 0.1,
            "scale": "none",
            "threads": 1,
            "seed": 0,
            **OWN[sparsity],
        }
        try:
            found.append(Config.parse(settings))
        except ConfigError:
            continue
    return found


def largest_error(config, device, **size):
    checks = check_gradient(
        config.model_copy(update={"device": device}), **{"rows": 4, "columns": 4, **size}
    )
    return max(float("inf") if np.isnan(check.error) else check.error for check in checks)


def assert_right(configs, device):
    wrong = []
    for config in configs:
        error = largest_error(config, device)
        if not error <= LIMIT:
            names = ("loss", "sparsity", "decoder", "hidden")
            wrong.append((error, *(getattr(config, name) for name in names)))
    assert not wrong, f"{len(wrong)} of {len(configs)} gradients are wrong, such as {wrong[:3]}"


each_pair = pytest.mark.parametrize(
    ("activation", "output_activation"), list(itertools.product(ACTIVATIONS, ACTIVATIONS))
)


def test_there_are_this_many_combinations():
    pairs = itertools.product(ACTIVATIONS, ACTIVATIONS)
    assert sum(len(combinations(*pair)) for pair in pairs) == COMBINATIONS


@each_pair
def test_every_gradient_is_right(activation, output_activation):
    assert_right(combinations(activation, output_activation), "cpu")


@each_pair
def test_a_sample_of_gradients_is_right_in_numpy(activation, output_activation):
    offset = ACTIVATIONS.index(activation) + ACTIVATIONS.index(output_activation)
    sample = combinations(activation, output_activation)[offset % NUMPY_SAMPLE :: NUMPY_SAMPLE]
    assert_right(sample, "numpy")


@pytest.mark.long
@each_pair
def test_every_gradient_is_right_in_numpy(activation, output_activation):
    assert_right(combinations(activation, output_activation), "numpy")


EXTRAS = [
    *({"noise": noise, "noise_level": 0.3} for noise in ("gaussian", "masking", "salt_pepper")),
    {"dropout": 0.4},
    {"dropout": 0.4, "noise": "masking", "noise_level": 0.3},
    *({"whiten": whiten, "output_activation": "identity"} for whiten in ("pca", "zca")),
    {
        "whiten": "zca",
        "output_activation": "identity",
        "noise": "gaussian",
        "noise_level": 0.5,
        "dropout": 0.2,
    },
    *({"scale": scale} for scale in ("none", "unit", "standard", "minmax", "sigma")),
]


@pytest.mark.parametrize("sparsity", list(OWN))
@pytest.mark.parametrize("extra", EXTRAS, ids=lambda own: "-".join(map(str, own.values())))
def test_gradients_are_right_with_noise_dropout_and_preprocessing(device, extra, sparsity):
    for decoder, activation in (("untied", "sigmoid"), ("tied", "tanh")):
        settings = {"hidden": (4, 3), "activation": activation, "decoder": decoder}
        settings |= {"sparsity": sparsity, "weight_decay": 0.05, "threads": 1, **OWN[sparsity]}
        config = Config.parse(settings | extra)
        assert largest_error(config, device, rows=7, columns=5) <= LIMIT, decoder


@pytest.mark.parametrize("sparsity", ["none", "kl"])
def test_gradients_are_right_over_several_tiles_and_lanes(device, sparsity):
    """40 tiles are dealt to 16 lanes, the last tile is shorter."""
    own = {"hidden": (3,), "sparsity": sparsity, "tile_rows": 2, "threads": 2}
    own |= {"activation": "sigmoid", "output_activation": "sigmoid", "scale": "minmax", "beta": 3.0}
    config = Config(**own, weight_decay=0.1, dropout=0.2)
    assert largest_error(config, device, rows=79, columns=4) <= LIMIT
    full = Config(**own, optimizer="lbfgs")
    assert largest_error(full, device, rows=79, columns=4) <= LIMIT


PLANTED = [
    ("hidden_delta", 0, {}),
    ("hidden_delta", 0, {"decoder": "tied", "hidden": (4, 3)}),
    ("output_delta", 0, {"loss": "bce"}),
    ("output_delta", 0, {"decoder": "tied"}),
    ("sum_lanes", -1, {"tile_rows": 2}),
    ("kl_slope", -2, {"sparsity": "kl"}),
    ("kl_slope", -2, {"sparsity": "kl", "activation": "tanh", "decoder": "tied"}),
    ("dropout_mask", 4, {"dropout": 0.3}),
]


@pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)
@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("operation", "written", "settings"), PLANTED)
def test_a_planted_mistake_is_found(device, operation, written, settings, monkeypatch):
    """One part in ten thousand too much in what the operation leaves.

    A mask is wrong where backward sees another one than forward did.
    """
    from gpuae.backends import Device, get_ops

    backend = type(get_ops(Device(device, "")))
    honest = getattr(backend, operation)

    def scaled(self, *arguments, **named):
        honest(self, *arguments, **named)
        arguments[written][...] *= 1.0001

    def forgotten(self, *arguments, **named):
        honest(self, *arguments, **named)
        arguments[2][...] = arguments[0]  # the product that goes on, without its mask

    if operation == "dropout_mask":
        honest = backend.multiply
        monkeypatch.setattr(backend, "multiply", forgotten)
    else:
        monkeypatch.setattr(backend, operation, scaled)
    config = Config(**{"hidden": (3,), "weight_decay": 0.1, "threads": 1} | settings)
    assert largest_error(config, device) > LIMIT


@pytest.mark.usefixtures("interpreted")
def test_a_gradient_that_is_no_number_is_not_right(monkeypatch):
    from gpuae.backends.numba_ops import NumbaOps

    def poisoned(self, z, *arguments):
        z[:] = np.nan
        arguments[-3][:] = np.nan

    monkeypatch.setattr(NumbaOps, "output_delta", poisoned)
    checks = check_gradient(Config(hidden=(3,), device="cpu"))
    assert not any(check.error <= LIMIT for check in checks)


def test_a_check_names_every_array_of_the_gradient():
    checks = check_gradient(Config(hidden=(4, 3), decoder="tied", device="numpy"), columns=5)
    assert [(check.name, check.shape) for check in checks] == [
        ("encoder/0/weight", (5, 4)),
        ("encoder/0/bias", (4,)),
        ("encoder/1/weight", (4, 3)),
        ("encoder/1/bias", (3,)),
        ("decoder/0/bias", (4,)),
        ("decoder/1/bias", (5,)),
    ]


# The objective, once more


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FUNCTIONS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "identity": lambda z: z,
}


def plain_objective(weights, biases, x, settings):
    """Return J from the design's formulas; `weights` lacks the decoder's where it is tied."""
    f, g = FUNCTIONS[settings["activation"]], FUNCTIONS[settings["output_activation"]]
    tied = settings.get("decoder") == "tied"
    maps = [*weights, *(w.T for w in reversed(weights))] if tied else weights
    a, penalty = x, 0.0
    for number, (w, b) in enumerate(zip(maps, biases, strict=True), 1):
        z = a @ w + b
        a = g(z) if number == len(maps) else f(z)
        if number == len(maps) // 2:
            penalty = plain_penalty(a, settings)
            a = plain_topk(a, settings["k"]) if settings["sparsity"] == "topk" else a
    if settings["loss"] == "bce":
        losses = -(x * np.log(a) + (1 - x) * np.log(1 - a)).mean(axis=1)
    elif settings["loss"] == "sse":
        losses = ((a - x) ** 2).sum(axis=1) / 2
    else:
        losses = ((a - x) ** 2).mean(axis=1)
    decay = settings["weight_decay"] / 2 * sum((w**2).sum() for w in weights)
    return losses.mean() + decay + penalty


def plain_penalty(code, settings):
    if settings["sparsity"] == "l1":
        return settings["l1"] * np.abs(code).sum() / len(code)
    if settings["sparsity"] != "kl":
        return 0.0
    rho, mean = settings.get("rho", 0.05), code.mean(axis=0)
    rho_hat = (mean + 1) / 2 if settings["activation"] == "tanh" else mean
    kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    return settings["beta"] * kl.sum()


def plain_topk(code, k):
    kept = np.zeros_like(code)
    for row, values in enumerate(code):
        best = sorted(range(len(values)), key=lambda column: (-values[column], column))[:k]
        kept[row, best] = values[best]
    return kept


PLAIN = {
    "mse": {},
    "sse": {"loss": "sse", "activation": "relu", "output_activation": "identity"},
    "bce": {"loss": "bce"},
    "kl": {"sparsity": "kl", "rho": 0.1, "beta": 2.0},
    "kl of tanh": {"sparsity": "kl", "rho": 0.2, "activation": "tanh", "beta": 1.5},
    "l1": {"sparsity": "l1", "l1": 0.2, "activation": "leaky_relu"},
    "topk": {"sparsity": "topk", "k": 2, "activation": "tanh"},
    "tied": {"decoder": "tied"},
    "tied kl of tanh": {"decoder": "tied", "sparsity": "kl", "activation": "tanh", "beta": 0.7},
    "tied deep": {"decoder": "tied", "hidden": (5, 4, 3), "loss": "sse"},
    "identity": {"activation": "identity", "output_activation": "identity"},
}


@pytest.mark.parametrize("name", PLAIN)
def test_the_objective_and_its_gradient_are_those_of_plain_formulas(device, name):
    from gpuae.backends import Device, get_ops
    from gpuae.model.autoencoder import mirrored_autoencoder
    from gpuae.model.objective import objective
    from gpuae.model.statistics import column_statistics
    from gpuae.training.preparation import new_team, prepare

    settings = {
        "hidden": (4, 3),
        "activation": "sigmoid",
        "output_activation": "sigmoid",
        "loss": "mse",
        "sparsity": "none",
        "weight_decay": 0.3,
        "scale": "none",
        "dtype": "float64",
        "tile_rows": 3,
        **PLAIN[name],
    }
    random = np.random.default_rng(5)
    x, order = random.random((11, 6)), np.arange(11)
    prepared = prepare(x, order, Config.parse(settings), column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, 6)
    flat = random.uniform(-0.8, 0.8, network.size)

    def plain(vector):
        views = network.views(vector)
        own = [
            view.weight
            for layer, view in zip(network.layers, views, strict=True)
            if not layer.transposed
        ]
        return plain_objective(own, [view.bias for view in views], x, settings)

    ops = get_ops(Device(device, ""))
    with new_team(ops, network, prepared, x, flat.copy(), 11) as team:
        value = objective(team.full_gradient(order), prepared.config)
        gradient = ops.to_host(team.gradient)
        still = objective(team.evaluate(order), prepared.config)
    assert value == pytest.approx(plain(flat), rel=1e-12)
    assert still == pytest.approx(plain(flat), rel=1e-12)
    numeric = np.array([plain(flat + h) - plain(flat - h) for h in 1e-6 * np.eye(len(flat))]) / 2e-6
    assert np.linalg.norm(gradient - numeric) <= 1e-7 * np.linalg.norm(numeric)


def test_a_tied_weight_decays_once(device):
    """With decay alone the gradient is λ·W: doubled, were the weight counted for both its uses."""
    network = {"hidden": (3,), "activation": "sigmoid", "decoder": "tied", "init": "glorot"}
    config = Config(**network, weight_decay=0.5, dtype="float64", device=device)
    without = config.model_copy(update={"weight_decay": 0.0})
    (value, gradient, flat), (plain_value, plain_gradient, _) = map(objective_of, (config, without))
    weights = slice(0, 12)
    np.testing.assert_allclose((gradient - plain_gradient)[weights], 0.5 * flat[weights], rtol=1e-9)
    np.testing.assert_allclose((gradient - plain_gradient)[12:], 0, atol=1e-15)
    assert value - plain_value == pytest.approx(0.25 * (flat[weights] ** 2).sum(), rel=1e-9)


def objective_of(config):
    """Return J, its gradient and the parameters at the start, for ten rows of four columns."""
    from gpuae.backends import get_ops, resolve_device
    from gpuae.model.autoencoder import mirrored_autoencoder
    from gpuae.model.init import initial_parameters
    from gpuae.model.objective import objective
    from gpuae.model.statistics import column_statistics
    from gpuae.training.preparation import new_team, prepare

    x, order = np.random.default_rng(2).random((10, 4)), np.arange(10)
    prepared = prepare(x, order, config, column_statistics(x, order))
    network = mirrored_autoencoder(prepared.config, 4)
    ops = get_ops(resolve_device(config.device))
    flat = initial_parameters(network, prepared.config)
    with new_team(ops, network, prepared, x, flat, 10) as team:
        value = objective(team.full_gradient(order), prepared.config)
        return value, ops.to_host(team.gradient), flat


@pytest.mark.parametrize("seed", range(4))
def test_a_right_gradient_passes_whatever_the_seed(device, seed):
    """Where gradients nearly vanish, as early in a deep sigmoid network, rounding must not fail."""
    for decoder, loss in (("untied", "mse"), ("transpose", "mse"), ("tied", "bce")):
        settings = {"hidden": (4, 3, 2), "sparsity": "topk", "k": 1, "weight_decay": 0.1}
        settings |= {"decoder": decoder, "loss": loss, "seed": seed, "threads": 1}
        assert largest_error(Config.parse(settings), device) <= LIMIT
