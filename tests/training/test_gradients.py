"""Backpropagation gives the derivative of J: for every allowed combination, by central differences.

Along a random direction of each array for all pairs of settings here; in the long suite for all of
them, and for the NumPy definition entry by entry. And J itself is what the formulas say: an
autoencoder written down once more, in plain NumPy.
"""

import inspect
import itertools
from functools import cache

import numpy as np
import pytest
from pairwise import covering, pairwise

from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.functions import activations
from gpuae.functions.losses import LOSSES
from gpuae.training.gradcheck import LIMIT, check_gradient

ACTIVATIONS = list(activations.ACTIVATIONS)
HIDDEN = {1: (3,), 2: (3, 2), 3: (4, 3, 2)}
OWN = {"kl": {"rho": 0.2, "beta": 0.5}, "l1": {"l1": 0.1}, "topk": {"k": 1}, "none": {}}
DECODERS = ("untied", "transpose", "tied")
SETTINGS = ("activation", "output_activation", "loss", "sparsity", "decoder", "hidden")


def combinations(activation, output_activation):
    """Return all allowed configurations with these activations."""
    return list(allowed(activation, output_activation).values())


def allowed(activation, output_activation):
    """Return all allowed configurations by the places of their settings in the lists above."""
    found = {}
    choices = [list(enumerate(own)) for own in (LOSSES, OWN, DECODERS, HIDDEN)]
    for chosen in itertools.product(*choices):
        places, (loss, sparsity, decoder, depth) = zip(*chosen, strict=True)
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
            found[places] = Config.parse(settings)
        except ConfigError:
            continue
    return found


def largest_error(config, device, **how):
    checks = check_gradient(
        config.model_copy(update={"device": device}), **{"rows": 4, "columns": 4, **how}
    )
    return max(float("inf") if np.isnan(check.error) else check.error for check in checks)


def assert_right(configs, device, **how):
    wrong = []
    for config in configs:
        error = largest_error(config, device, **how)
        if not error <= LIMIT:
            wrong.append((error, *(getattr(config, name) for name in SETTINGS)))
    assert not wrong, f"{len(wrong)} of {len(configs)} gradients are wrong, such as {wrong[:3]}"


INNER = [name for name, own in activations.ACTIVATIONS.items() if not own.output_only]


@cache
def few_combinations():
    """Return so many of all that every two settings that go together do so in one."""
    found = {}
    for (i, activation), (j, output) in itertools.product(enumerate(INNER), enumerate(ACTIVATIONS)):
        found |= {(i, j, *rest): own for rest, own in allowed(activation, output).items()}
    sizes = (len(INNER), len(ACTIVATIONS), len(LOSSES), len(OWN), len(DECODERS), len(HIDDEN))
    return [found[places] for places in covering(sizes, list(found))]


def test_there_are_this_many_combinations():
    inner = [own for own in activations.ACTIVATIONS.values() if not own.output_only]
    bounded = sum(own.bounded for own in inner)
    hidden = (len(OWN) - 1) * len(inner) + bounded  # kl needs bounded units
    outputs = sum(own.takes(name) for own in LOSSES.values() for name in ACTIVATIONS)
    pairs = itertools.product(ACTIVATIONS, ACTIVATIONS)
    found = sum(len(combinations(*pair)) for pair in pairs)
    assert found == hidden * outputs * len(DECODERS) * len(HIDDEN)


each_cpu = pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)


@each_cpu
@pytest.mark.parametrize("activation", INNER)
def test_gradients_are_right_for_all_pairs_of_settings(activation, device):
    assert_right([own for own in few_combinations() if own.activation == activation], device)


each_pair = pytest.mark.parametrize(
    ("activation", "output_activation"), list(itertools.product(INNER, ACTIVATIONS))
)


@pytest.mark.long
@each_pair
def test_every_entry_of_every_gradient_is_right(activation, output_activation):
    assert_right(combinations(activation, output_activation), "numpy", every_entry=True)


@pytest.mark.long
@each_pair
def test_gradients_are_right_for_all_settings(activation, output_activation):
    assert_right(combinations(activation, output_activation), "cpu")


EXTRAS = [
    *(
        {"noise": noise, "noise_level": 0.3}
        for noise in ("gaussian", "clipped_gaussian", "masking", "salt_pepper")
    ),
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


@pairwise(device=["numpy", "cpu", "cuda"], extra=EXTRAS, sparsity=list(OWN), indirect=["device"])
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


@pytest.mark.parametrize("sparsity", ["none", "kl", "topk"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_that_need_z_are_right_over_several_tiles(device, sparsity, dropout):
    """With kl the codes of a long step are not kept, since z would be needed beside them."""
    code = "sigmoid" if sparsity == "kl" else "silu"
    own = {"hidden": (5, 4), "activation": "gelu", "code_activation": code, "sparsity": sparsity}
    config = Config(**own, **OWN[sparsity], dropout=dropout, tile_rows=2, threads=2)
    assert largest_error(config, device, rows=79, columns=4) <= LIMIT


KL, L1, TOPK = ({"sparsity": name, **OWN[name]} for name in ("kl", "l1", "topk"))
DROPOUT, TIED = {"dropout": 0.3}, {"decoder": "tied", "hidden": (4, 3)}

SCALED = [
    ("hidden_delta", "delta", {}),
    ("hidden_delta", "delta", TIED),
    ("hidden_delta", "bias_gradient", {}),
    ("output_delta", "z", {"loss": "bce"}),
    ("output_delta", "z", {"decoder": "tied"}),
    ("output_delta", "bias_gradient", {}),
    ("sum_lanes", "out", {}),
    ("kl_slope", "slope", KL),
    ("kl_slope", "slope", KL | {"activation": "tanh", "decoder": "tied"}),
]
"""Operations that leave one part in ten thousand too much in one of their arrays."""

OTHER = {
    "a sigmoid's slope is not taken": ("hidden_delta", {"activation": "identity"}, {}),
    "tanh has a sigmoid's slope": (
        "hidden_delta",
        {"activation": "sigmoid"},
        {"activation": "tanh"},
    ),
    "relu leaks": ("hidden_delta", {"activation": "leaky_relu"}, {"activation": "relu"}),
    "leaky_relu does not": ("hidden_delta", {"activation": "relu"}, {"activation": "leaky_relu"}),
    "identity bends": ("hidden_delta", {"activation": "tanh"}, {"activation": "identity"}),
    "the code's penalty is forgotten": ("hidden_delta", {"slope": None}, KL),
    "the code's size is forgotten": ("hidden_delta", {"l1": 0.0}, L1),
    "the code's size has the wrong sign": ("hidden_delta", {"l1": -0.1}, L1),
    "what topk dropped learns": ("hidden_delta", {"mask": None}, TOPK),
    "what dropout dropped learns": ("hidden_delta", {"mask": None}, DROPOUT),
    "a hidden bias has its last tile only": ("hidden_delta", {"accumulate": False}, {}),
    "an output bias has its last tile only": ("output_delta", {"accumulate": False}, {}),
    "the output's slope is not taken": (
        "output_delta",
        {"activation": "identity"},
        {"output_activation": "sigmoid", "loss": "mse"},
    ),
    "mse has the slope of sse": ("output_delta", {"loss": "sse"}, {"loss": "mse"}),
    "sse has the slope of mse": ("output_delta", {"loss": "mse"}, {"loss": "sse"}),
    "bce has the slope of mse": ("output_delta", {"loss": "mse"}, {"loss": "bce"}),
    "a row too many": ("output_delta", {"rows_of_step": 40}, {}),
    "a row too many in the mean code": ("kl_slope", {"rows_of_step": 40}, KL),
    "another rho": ("kl_slope", {"rho": 0.2001}, KL),
    "another beta": ("kl_slope", {"beta": 0.5001}, KL),
    "tanh's mean is not moved to [0, 1]": (
        "kl_slope",
        {"activation": "sigmoid"},
        KL | {"activation": "tanh", "output_activation": "identity"},
    ),
    "nothing decays": ("axpby", {"alpha": 0.0}, {}),
    "weights decay twice": ("axpby", {"alpha": 0.2}, {}),
    "tied weights decay twice": ("axpby", {"alpha": 0.2}, TIED),
    "a lane's biases are forgotten": ("sum_lanes", {"lanes": lambda lanes: lanes[1:]}, {}),
    "one use of a tied weight is forgotten": ("gemm", {"accumulate": False}, TIED),
}
"""Operations that are called with another argument, or with what a function makes of it."""

each_scaled = pytest.mark.parametrize(("operation", "array", "settings"), SCALED)
each_other = pytest.mark.parametrize("mistake", OTHER)


@pytest.fixture
def planted(device, interpreted, monkeypatch):
    """A function that puts a mistake into an operation and returns the largest error of a check.

    The mistake gets the operation as it is, and its arguments by name. What the operation adds to
    the total stays right: a wrong J with its own gradient is no wrong gradient. 20 tiles are dealt
    to 16 lanes, so that some lanes have two.
    """
    from gpuae.backends import Device, get_ops

    def plant(operation, mistake, settings):
        backend = type(get_ops(Device(device, "")))
        honest = getattr(backend, operation)
        signature = inspect.signature(honest)

        def wrong(*given, **named):
            bound = signature.bind(*given, **named)
            bound.apply_defaults()
            right = {name: copy(value) for name, value in bound.arguments.items()}
            honest(**right)
            mistake(honest, bound.arguments)
            if "total" in right:
                bound.arguments["total"][...] = right["total"]

        monkeypatch.setattr(backend, operation, wrong)
        config = {"hidden": (3,), "weight_decay": 0.1, "threads": 1, "tile_rows": 2} | settings
        return largest_error(Config.parse(config), device, rows=39)

    return plant


def copy(value):
    return value.copy() if isinstance(value, np.ndarray) else value


@each_cpu
@each_scaled
def test_too_much_of_a_gradient_is_found(planted, operation, array, settings):
    def scaled(honest, arguments):
        honest(**arguments)
        arguments[array][...] *= 1.0001

    assert planted(operation, scaled, settings) > LIMIT


@each_cpu
@each_other
def test_a_wrong_formula_is_found(planted, mistake):
    operation, other, settings = OTHER[mistake]

    def called(honest, own):
        changed = {name: to(own[name]) if callable(to) else to for name, to in other.items()}
        honest(**own | changed)

    assert planted(operation, called, settings) > LIMIT


@each_cpu
def test_a_mask_that_backward_sees_and_forward_does_not_is_found(planted):
    def forgotten(honest, arguments):
        honest(**arguments)
        arguments["out"][...] = arguments["a"]  # the product that goes on, without its mask

    assert planted("multiply", forgotten, DROPOUT) > LIMIT


@each_cpu
def test_one_entry_that_is_wrong_is_found(planted):
    def moved(honest, arguments):
        honest(**arguments)
        arguments["out"][-1] *= 1.001

    assert planted("sum_lanes", moved, {}) > LIMIT


@pytest.mark.usefixtures("interpreted")
def test_a_gradient_that_is_no_number_is_not_right(monkeypatch):
    from gpuae.backends.numba_ops import NumbaOps

    def poisoned(self, z, *arguments):
        z[:] = np.nan
        arguments[-4][:] = np.nan

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


@pairwise(
    device=["numpy", "cpu", "cuda"],
    seed=range(4),
    kind=[("untied", "mse"), ("transpose", "mse"), ("tied", "bce")],
    indirect=["device"],
)
def test_a_right_gradient_passes_whatever_the_seed(device, seed, kind):
    """Where gradients nearly vanish, as early in a deep sigmoid network, rounding must not fail."""
    settings = {"hidden": (4, 3, 2), "sparsity": "topk", "k": 1, "weight_decay": 0.1}
    settings |= {"decoder": kind[0], "loss": kind[1], "seed": seed, "threads": 1}
    assert largest_error(Config.parse(settings), device) <= LIMIT
