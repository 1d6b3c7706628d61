"""Measures of what filters look like: on patterns whose answer is known, and on learnt ones."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import gpuae
from gpuae import Autoencoder, filters
from gpuae.cli import run
from gpuae.importers import PatchOptions, ReadOptions, open_data
from gpuae.presets import Preset
from gpuae.training.fitting import fit

SIZE = 12
Y, X = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 12, endpoint=False) + 0.1


def grating(angle=0.3, cycles=0.2, phase=0.4):
    """A wave that varies along a direction (from across to down)."""
    return np.sin(2 * np.pi * cycles * (np.cos(angle) * X + np.sin(angle) * Y) + phase)


def blob(width=1.5, centre=(5, 6)):
    return np.exp(-((Y - centre[0]) ** 2 + (X - centre[1]) ** 2) / (2 * width**2))


def gabor(angle=0.3, **options):
    return grating(angle) * blob(**options)


@pytest.fixture
def noise():
    return np.random.default_rng(0).standard_normal((300, SIZE, SIZE))


def pixel(row, column):
    pattern = np.zeros((SIZE, SIZE))
    pattern[row, column] = -3.0
    return pattern


# Locality


@pytest.mark.parametrize("place", [(0, 0), (5, 6), (11, 3)])
def test_one_pixel_is_as_local_as_can_be(place):
    assert filters.locality(pixel(*place)) == 0


@pytest.mark.parametrize("shape", [(12, 12), (7, 20), (1, 9), (5, 1)])
def test_a_uniform_pattern_has_locality_one(shape):
    assert filters.locality(np.full(shape, -0.3)) == pytest.approx(1)


def test_two_pixels_by_hand():
    """Half the distance between them, over the spread √((12² + 12² − 2)/12) of all pixels."""
    expected = np.hypot(3, 4) / 2 / np.sqrt(286 / 12)
    assert filters.locality(pixel(2, 2) + pixel(5, 6)) == pytest.approx(expected)


def test_of_a_blob_the_energy_spreads_by_its_width():
    widths = np.array([1.2, 1.4, 1.6])
    found = [filters.locality(blob(width)) for width in widths]
    np.testing.assert_allclose(found, widths / np.sqrt(286 / 12), rtol=2e-3)


def test_noise_and_gratings_spread_over_the_whole_image(noise):
    found = filters.locality(noise)
    assert found.mean() == pytest.approx(1, abs=0.02)
    assert found.min() > 0.85
    assert filters.locality(grating()) == pytest.approx(1, abs=0.1)


# Orientation


@pytest.mark.parametrize("angle", ANGLES)
def test_gratings_and_gabors_have_their_direction(angle):
    for pattern, least in ((grating(angle), 0.97), (gabor(angle, width=2.5), 0.7)):
        coherence, found = filters.orientation(pattern)
        assert least < coherence <= 1
        turned = (found - angle + np.pi / 2) % np.pi - np.pi / 2
        assert abs(turned) < 0.06


@pytest.mark.parametrize(
    ("pattern", "angle"), [(X, 0), (Y, np.pi / 2), (X + Y, np.pi / 4), (X - Y, -np.pi / 4)]
)
def test_a_slope_has_its_direction_exactly(pattern, angle):
    assert filters.orientation(pattern) == (pytest.approx(1), pytest.approx(angle))


@pytest.mark.parametrize("pattern", [blob(centre=(5.5, 5.5)), grating(0) + grating(np.pi / 2)])
def test_what_varies_in_all_directions_has_none(pattern):
    assert filters.orientation(pattern)[0] < 0.05


def test_noise_has_hardly_a_direction(noise):
    coherence, angle = filters.orientation(noise)
    assert np.median(coherence) < 0.15
    assert coherence.max() < 0.5
    assert angle.std() > 0.7


def test_the_border_of_the_image_is_no_edge():
    assert filters.orientation(grating(0.8) + 50)[0] == pytest.approx(
        filters.orientation(grating(0.8))[0]
    )


# Frequency


@pytest.mark.parametrize("cycles", [0.15, 0.25, 0.35])
def test_a_gabor_passes_the_band_around_its_frequency(cycles):
    pattern = grating(0.3, cycles) * blob(2.0, (5.5, 5.5))
    mean, width = filters.frequency(pattern)
    assert mean == pytest.approx(cycles, abs=0.02)
    assert width < 0.07


def test_white_noise_has_all_frequencies(noise):
    mean, width = filters.frequency(noise)
    assert mean.mean() == pytest.approx(0.383, abs=0.005)
    assert width.mean() == pytest.approx(0.142, abs=0.005)


# All of them


MEASURES = {
    "locality": filters.locality,
    "coherence": lambda *a, **k: filters.orientation(*a, **k)[0],
    "angle": lambda *a, **k: filters.orientation(*a, **k)[1],
    "frequency": lambda *a, **k: filters.frequency(*a, **k)[0],
    "bandwidth": lambda *a, **k: filters.frequency(*a, **k)[1],
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_scale_and_sign_do_not_count_and_patterns_do_not_touch_each_other(measure, noise):
    one_by_one = [measure(pattern) for pattern in noise[:5]]
    np.testing.assert_allclose(measure(-7 * noise[:5]), one_by_one)
    assert measure(noise[0]).shape == ()
    assert measure(noise[:1]).shape == (1,)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_of_colours_the_energies_are_added(measure, noise):
    grey = np.repeat(noise[:4, :, :, None], 3, axis=3)
    np.testing.assert_allclose(measure(grey, colour=True), measure(noise[:4]))
    single = np.zeros((SIZE, SIZE, 3))
    single[..., 1] = gabor()
    np.testing.assert_allclose(measure(single, colour=True), measure(gabor()))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_pattern_of_nothing_has_no_measure(measure):
    assert np.isnan(measure(np.zeros((2, 5, 5)))).all()


@pytest.mark.parametrize(
    ("shape", "colour"), [((9,), False), ((2, 3, 4, 5), False), ((3, 4), True)]
)
def test_what_is_no_image_is_refused(shape, colour):
    with pytest.raises(ValueError, match="units, height, width"):
        filters.locality(np.ones(shape), colour=colour)


def test_gabors_are_edges_and_nothing_else_is(noise):
    others = [*noise, *(grating(angle) for angle in ANGLES), pixel(3, 3), blob(), np.ones((12, 12))]
    assert filters.edges(np.array([gabor(angle) for angle in ANGLES])).all()
    assert not filters.edges(np.array(others)).any()


# Of models


def test_a_maximal_input_excites_its_unit_more_than_any_other_of_its_length(low_rank):
    x = low_rank(200, 6)
    model = Autoencoder(hidden=3, depth=1, scale="standard", whiten="pca", steps=20).fit(x).model_
    found = filters.maximal_inputs(model)
    assert found.shape == (3, 6)
    mean = model.preprocess.backward(np.zeros((1, 6)))
    inputs = model.preprocess.forward(found + mean)
    np.testing.assert_allclose(np.linalg.norm(inputs, axis=1), 1)
    weight = model.network.views(model.parameters)[0].weight.astype(np.float64)
    np.testing.assert_allclose(np.diag(inputs @ weight), np.linalg.norm(weight, axis=0))


# Learnt from photographs


SPARSE = {
    **{"depth": 1, "activation": "sigmoid", "output_activation": "identity", "init": "glorot"},
    **{"loss": "sse", "sparsity": "kl", "rho": 0.01, "beta": 10.0, "weight_decay": 0.01},
    **{"scale": "pooled", "whiten": "zca", "optimizer": "lbfgs", "validation": 0, "patience": 0},
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The two photographs that come with scikit-learn, at a third of their size: no grain."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("china.jpg", "flower.jpg"):
        source = resources.files("sklearn.datasets.images").joinpath(name)
        with source.open("rb") as file:
            image.open(file).reduce(3).save(folder / f"{name}.png")
    return folder


def patches(folder, count, size, seed=0):
    """Patches of equal contrast, without their mean."""
    options = ReadOptions(patches=PatchOptions((size, size), count, seed, grey=True))
    x = open_data(str(folder), options=options).x[0:count].astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    return x / np.sqrt(x.var(axis=1, keepdims=True) + 10)


def share_of_edges(x, size, **settings):
    model = Autoencoder(**SPARSE | settings).fit(x).model_
    return filters.edges(filters.maximal_inputs(model).reshape(-1, size, size)).mean()


def axes(x, size):
    return np.linalg.eigh(np.cov(x.T))[1].T.reshape(-1, size, size)


def test_a_few_sparse_units_learn_edges_from_photographs(photographs):
    x = patches(photographs, 4000, 6)
    settings = {"hidden": 36, "epochs": 200}
    assert share_of_edges(x, 6, **settings) > 0.3
    assert share_of_edges(x, 6, **settings | {"epochs": 0}) < 0.1
    assert filters.edges(axes(x, 6)).mean() < 0.1


@pytest.mark.long
def test_sparse_units_learn_edges_from_photographs(photographs):
    """Half of a hundred; untrained, PCA's and those of shuffled pixels none."""
    x = patches(photographs, 10_000, 10)
    settings = {"hidden": 100, "epochs": 400}
    assert share_of_edges(x, 10, **settings) > 0.4
    assert share_of_edges(x, 10, **settings | {"epochs": 0}) < 0.05
    assert filters.edges(axes(x, 10)).mean() < 0.05
    shuffled = x[:, np.random.default_rng(0).permutation(100)]
    assert share_of_edges(shuffled, 10, **settings) < 0.05


@pytest.mark.long
def test_the_preset_learns_edges_from_photographs_as_they_are(tmp_path, monkeypatch):
    """Of full size, with their grain, by the two commands of the examples."""
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    Path("photographs").mkdir()
    for name in ("china.jpg", "flower.jpg"):
        with resources.files("sklearn.datasets.images").joinpath(name).open("rb") as file:
            image.open(file).save(f"photographs/{name}.png")
    cut = ("--patches", "10x10", "--count", "20000", "--grey", "--scale-rows", "standard")
    assert run(["convert", "photographs", "patches.h5", *cut]) == 0
    shares = []
    for own in ((), ("--epochs", "0")):
        fitted = ("--preset", "edge-filters", *own, "--force")
        assert run(["fit", "patches.h5", "-o", "edges.h5", *fitted]) == 0
        found = filters.maximal_inputs(gpuae.load("edges.h5").model_).reshape(-1, 10, 10)
        shares.append(filters.edges(found).mean())
    assert shares[0] > 0.3
    assert shares[1] < 0.05


# Decodings of one unit at a time


def one_hot(path, x, shape, **settings):
    """Train on noisy images from distance-based weights; return decodings of single units."""
    own = {"depth": 1, "decoder": "transpose", "init": "distance"}
    config = Preset.named("stacked-denoising").config(own | settings)
    fit(x, config, image_shape=shape).model.save(path)
    model = gpuae.load(path)
    codes = np.eye(model.model_.network.code_size, dtype=np.float32)
    return model.inverse_transform(codes).reshape(-1, *shape), model.transform(x[:2000])


def compare_dropout(folder, x, shape, **settings):
    """Return locality, and the share of zeros in codes, without and with dropout of a tenth."""
    found = []
    for dropout in (0.0, 0.1):
        path = folder / f"{dropout}.h5"
        decoded, code = one_hot(path, x, shape, dropout=dropout, **settings)
        found.append((np.median(filters.locality(decoded)), (code == 0).mean()))
    return zip(*found, strict=True)


@pytest.mark.parametrize("seed", range(2))
def test_with_dropout_a_unit_is_off_more_often_and_its_decoding_reaches_further(tmp_path, seed):
    x = open_data("digits").x
    settings = {"hidden": [25], "epochs": 100, "batch_size": 32, "seed": seed}
    (without, some), (zeros, more) = compare_dropout(tmp_path, x, (8, 8), **settings)
    assert some > without + 0.02
    assert zeros < 0.05
    assert more > 0.15


@pytest.mark.long
def test_the_same_of_handwritten_digits_of_full_size(tmp_path, shared_data):
    x = open_data(str(shared_data / "mnist" / "train-images-idx3-ubyte.gz")).x
    settings = {"hidden": [100], "epochs": 5}
    (without, some), (zeros, more) = compare_dropout(tmp_path, x, (28, 28), **settings)
    assert some > without + 0.15
    assert zeros < 0.05
    assert more > 0.15
