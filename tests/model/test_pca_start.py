"""The start that is PCA: networks of many kinds give what PCA gives, before any step."""

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.defaults import DataFacts, held_out, resolve
from gpuae.encoding import into, reconstruct
from gpuae.functions.activations import ACTIVATIONS, Pairs, Straight
from gpuae.machine import Machine
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.model import Model
from gpuae.model.pca import EXACT_SIZE, PrincipalAxes, principal_axes
from gpuae.model.preprocess import fit_preprocess
from gpuae.model.statistics import column_statistics

ROWS, COLUMNS, CODE = 60, 8, 3


@pytest.fixture
def x():
    """Rows with three strong directions, an offset, and columns of different sizes."""
    random = np.random.default_rng(5)
    strong = random.normal(size=(ROWS, CODE)) @ random.normal(size=(CODE, COLUMNS))
    return (strong + 0.3 * random.normal(size=(ROWS, COLUMNS))) * np.arange(1, 9) + 20


def by_pca(x, count):
    """The projection on the first principal axes, by SVD."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scaled = (x - mean) / deviation
    axes = np.linalg.svd(scaled)[2][:count]
    return scaled @ axes.T @ axes * deviation + mean


def started(x, **settings):
    """The model before its first step."""
    settings = {"device": "numpy", "dtype": "float64", "scale": "standard", **settings}
    data = DataFacts(len(x), x.shape[1], "float64", x.min(), x.max())
    config = resolve(held_out(Config.parse({"init": "pca", **settings}), len(x)), data).config
    rows, statistics = np.arange(len(x)), column_statistics(x)
    preprocess = fit_preprocess(x, rows, config, statistics)
    network = mirrored_autoencoder(config, x.shape[1])
    pca = principal_axes(x, rows, preprocess, max(network.code_size, network.layers[0].n_out // 2))
    return Model(config, initial_parameters(network, config, pca=pca), preprocess)


def rebuilt(model, x):
    out = np.empty(x.shape)
    reconstruct(model, x, into(out), machine=Machine("numpy"))
    return out


PAIRED = [own.name for own in ACTIVATIONS.values() if isinstance(own.carries, Pairs)]
UNDONE = [own.name for own in ACTIVATIONS.values() if own.undone_by_transpose]
BENT = [own.name for own in ACTIVATIONS.values() if not isinstance(own.carries, Straight)]
INNER = [own.name for own in ACTIVATIONS.values() if not own.output_only]
LINEAR = {"code_activation": "identity"}
EXACT = [
    {"hidden": CODE},
    {"hidden": (64, CODE)},
    {"hidden": (7, CODE)},  # two pairs, and the last score shifted
    {"hidden": (30, 12, CODE)},
    *({"hidden": (20, CODE), "activation": name, **LINEAR} for name in PAIRED),
    *({"hidden": (20, CODE), "activation": name, "decoder": "tied", **LINEAR} for name in UNDONE),
    {"hidden": (5, 4, CODE), "activation": "identity"},
    {"hidden": CODE, "activation": "identity"},
    {"hidden": (20, 14, CODE), "decoder": "transpose"},
    {"hidden": (20, CODE), "whiten": "zca"},
]


@pytest.mark.parametrize("settings", EXACT, ids=str)
def test_rectifiers_and_linear_units_begin_as_pca_exactly(x, settings):
    model = started(x, **settings)
    wanted = by_pca(x, CODE) if settings.get("whiten") is None else None
    found = rebuilt(model, x)
    if wanted is None:  # all directions are as long: any three are as good, in scaled units
        left = ((found - x) / x.std(axis=0)).var()
        assert left < 0.9
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        *({"hidden": CODE, "activation": name} for name in BENT if name in INNER),
        {"hidden": (16, CODE), "activation": "tanh"},
        {"hidden": (16, 9, CODE), "activation": "sigmoid"},
        {"hidden": (20, CODE), "activation": "leaky_relu", "decoder": "tied"},
    ],
    ids=str,
)
def test_bent_units_begin_near_pca(x, settings):
    away = rebuilt(started(x, **settings), x) - by_pca(x, CODE)
    assert (away / x.std(axis=0)).std() < 0.05


@pytest.mark.parametrize("output", BENT)
def test_a_bent_output_begins_at_the_means_of_the_columns(x, output):
    model = started(x, hidden=(20, CODE), output_activation=output, scale="minmax")
    away = rebuilt(model, x) - x
    assert away.var(axis=0).mean() < 0.6 * x.var(axis=0).mean()
    mean_row = rebuilt(model, x.mean(axis=0, keepdims=True))
    if output == "exponential":  # whose mean over rows is above what it gives for a mean row
        mean_row = rebuilt(model, x).mean(axis=0, keepdims=True)
    tolerance = 0.1 if output == "exponential" else 1e-6
    np.testing.assert_allclose(mean_row, x.mean(axis=0, keepdims=True), rtol=tolerance)


def test_units_that_are_left_over_are_drawn_and_not_read_yet(x):
    model = started(x, hidden=(64, CODE))
    first, code = model.network.views(model.parameters)[:2]
    pairs = 2 * COLUMNS
    assert (first.weight[:, pairs:] != 0).all()
    assert (code.weight[pairs:] == 0).all()


@pytest.mark.parametrize("columns", [1, 2])
def test_rows_without_variance_have_a_start(columns):
    same = np.full((20, columns), 3.5)
    model = started(same, hidden=(8, 1))
    np.testing.assert_allclose(rebuilt(model, same), same)


# The axes


def axes_of(x, count, scale="none"):
    config = resolve(
        held_out(Config(scale=scale), len(x)),
        DataFacts(len(x), x.shape[1], "float64", x.min(), x.max()),
    ).config
    rows = np.arange(len(x))
    return principal_axes(x, rows, fit_preprocess(x, rows, config, column_statistics(x)), count)


@pytest.mark.parametrize(
    ("rows", "columns"), [(300, 12), (20, EXACT_SIZE + 1), (EXACT_SIZE + 10, EXACT_SIZE + 1)]
)
def test_axes_are_those_of_the_covariance(rows, columns):
    random = np.random.default_rng(rows)
    strong = random.normal(size=(rows, 4)) * [9, 6, 4, 2] @ random.normal(size=(4, columns))
    x = strong + 0.1 * random.normal(size=(rows, columns)) + 3
    found = axes_of(x, 4)
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(found.mean, x.mean(axis=0))
    scores = centred @ found.axes
    np.testing.assert_allclose(scores.var(axis=0), found.variances, rtol=1e-3)
    left = np.linalg.norm(centred - scores @ found.axes.T) / np.linalg.norm(centred)
    assert left < 0.2
    assert (found.axes[np.abs(found.axes).argmax(axis=0), range(4)] > 0).all()


def test_there_are_no_more_axes_than_rows_span():
    found = axes_of(np.outer(np.arange(10.0), np.ones(6)), 5)
    assert isinstance(found, PrincipalAxes)
    assert found.axes.shape == (6, 1)
