"""Rows above what the model makes of them, with the noise of training between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpuae import Autoencoder, AutoencoderClassifier
from gpuae.backends import philox
from gpuae.encoding import into, reconstruct, row_errors
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.pictures.reconstructions import reconstructions
from gpuae.pictures.sample import Sample
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

SETTINGS = {"hidden": 2, "depth": 1, "epochs": 3, "validation": 0}
NOISY = {"noise": "masking", "noise_level": 0.5, "seed": 3}


@pytest.fixture
def x(low_rank):
    return 10 * low_rank(60, 6)


def model_of(x, shape=None, names=None, **settings):
    model = Autoencoder(**SETTINGS | settings).fit(x).model_
    return replace(model, image_shape=shape, feature_names=names)


def sample_of(x, most=10, **beside):
    return Sample.of(Dataset(x, "X", RowMetadata(**beside)), most)


def made_of(model, x):
    made = np.empty(x.shape)
    reconstruct(model, x, into(made))
    return made


def errors_of(model, x):
    errors = np.empty(len(x))

    def take(start, rows, own):
        errors[start : start + len(rows)] = own

    row_errors(model, x, take)
    return errors


def test_originals_stand_above_reconstructions_in_the_datas_own_units(x):
    model, sample = model_of(x, shape=(2, 3)), sample_of(x)
    (panel,) = reconstructions(model, sample).panels
    assert panel.rows == ("original", "reconstruction")
    assert panel.across == 10
    np.testing.assert_array_equal(panel.images[:10], sample.x.reshape(10, 2, 3))
    low, high = sample.x.min(), sample.x.max()
    expected = np.clip(made_of(model, sample.x), low, high).reshape(10, 2, 3)
    np.testing.assert_allclose(panel.images[10:], expected)
    assert (panel.low, panel.high) == (low, high)


def test_rows_are_called_by_name_and_their_reconstructions_by_error(x):
    model, sample = model_of(x, shape=(2, 3)), sample_of(x, 3, y=np.arange(60) % 2)
    (panel,) = reconstructions(model, sample).panels
    errors = errors_of(model, sample.x)
    figures = tuple(f"{error:.3g}" for error in errors)
    assert panel.captions == (*sample.names(), *figures)
    assert f"{errors.mean():.3g} on average" in reconstructions(model, sample).description


def test_curves_hide_each_other_so_that_their_differences_are_shown_too(x):
    names = tuple(str(10 * place) for place in range(6))
    model, sample = model_of(x, names=names), sample_of(x, 4)
    together, apart = reconstructions(model, sample).panels
    np.testing.assert_allclose(together.values, [sample.x, made_of(model, sample.x)])
    assert together.labels == apart.labels == ("original", "reconstruction")
    assert together.captions[0].startswith(f"row {sample.numbers[0]}: ")
    np.testing.assert_allclose(apart.values, together.values - sample.x)


def test_bars_of_columns_of_different_units_stand_in_pairs_in_the_networks_units(x):
    scaled = x * [1, 10, 100, 1, 1, 1]
    model, sample = model_of(scaled, names=tuple("abcdef"), scale="standard"), sample_of(scaled, 4)
    (panel,) = reconstructions(model, sample).panels
    expected = [sample.x, made_of(model, sample.x)]
    np.testing.assert_allclose(panel.values, [model.preprocess.forward(own) for own in expected])
    assert (panel.bars, panel.names) == (True, tuple("abcdef"))


# Noise


def test_between_are_the_rows_with_the_noise_of_the_first_epoch(x):
    """Half of the values become 0, preprocessed: those whose words of Philox are low."""
    model, sample = model_of(x, names=tuple("123456"), scale="pooled", **NOISY), sample_of(x)
    panel, _ = reconstructions(model, sample).panels
    assert panel.labels == ("original", "with noise", "reconstruction")
    words = philox.words(3, philox.Purpose.NOISE, sample.numbers, 8, 0)[:, :6]
    lost = words < philox.threshold(0.5)
    assert 0.3 < lost.mean() < 0.7
    expected = np.where(lost, model.preprocess.center, sample.x)
    np.testing.assert_allclose(panel.values[1], expected, rtol=1e-5)


def test_the_reconstruction_is_that_of_the_noisy_row_and_its_error_that_to_the_clean_one(x):
    names = tuple("123456")
    model, sample = model_of(x, names=names, scale="pooled", **NOISY), sample_of(x)
    panel, _ = reconstructions(model, sample).panels
    np.testing.assert_allclose(panel.values[2], made_of(model, panel.values[1]), rtol=1e-4)
    preprocess = model.preprocess
    squares = (preprocess.forward(panel.values[2]) - preprocess.forward(sample.x)) ** 2
    own = [float(caption.split(": ")[1]) for caption in panel.captions]
    np.testing.assert_allclose(own, squares.mean(axis=1), rtol=0.01)


@pytest.mark.parametrize(
    ("noise", "whiten"),
    [
        ("gaussian", "none"),
        ("gaussian", "pca"),
        ("clipped_gaussian", "none"),
        ("salt_pepper", "pca"),
    ],
)
def test_every_noise_is_that_of_training(x, noise, whiten):
    settings = {"noise": noise, "noise_level": 0.3, "scale": "pooled", "whiten": whiten}
    model, sample = model_of(x, names=tuple("123456"), **settings), sample_of(x, 30)
    picture = reconstructions(model, sample)
    assert any(f"(noise={noise}, noise_level=0.3)" in note for note in picture.notes)
    clean, noisy = (model.preprocess.forward(own) for own in picture.panels[0].values[:2])
    moved = noisy - clean
    if noise == "gaussian":
        assert moved.std() == pytest.approx(0.3, rel=0.25)
        assert abs(moved.mean()) < 0.1
    if noise == "clipped_gaussian":
        assert noisy.min() >= model.preprocess.low.min() - 1e-5
    if noise == "salt_pepper":
        assert (np.abs(moved) > 1e-4).mean() == pytest.approx(0.3, abs=0.12)


def test_every_device_gives_the_same(x, device):
    model, sample = model_of(x, scale="pooled", whiten="zca", **NOISY), sample_of(x)
    expected, found = (
        reconstructions(model, sample, machine=Machine(own)).panels[0].values
        for own in ("numpy", device)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_images_with_noise_are_the_middle_row(x):
    model, sample = model_of(x, shape=(2, 3), scale="standard", **NOISY), sample_of(x)
    (panel,) = reconstructions(model, sample).panels
    assert panel.rows == ("original", "with noise", "reconstruction")
    assert len(panel.images) == 30
    captions = np.array(panel.captions[10:], float).reshape(2, 10)
    bars = reconstructions(replace(model, image_shape=None), sample).panels[0].values
    errors = ((bars[1:] - bars[0]) ** 2).mean(axis=2)  # in the network's units
    np.testing.assert_allclose(captions, errors, rtol=0.01)


def test_rows_may_stay_without_noise(x):
    model, sample = model_of(x, names=tuple("123456"), **NOISY), sample_of(x)
    panel, _ = reconstructions(model, sample, noise=False).panels
    np.testing.assert_allclose(panel.values, [sample.x, made_of(model, sample.x)])


# Rows


def test_missing_values_are_missing_and_rebuilt(x):
    holes = x.copy()
    holes[::7, 2] = np.nan
    model = model_of(holes, names=tuple("123456"), missing="mean")
    sample = sample_of(holes[:8], 8)
    panel, _ = reconstructions(model, sample).panels
    np.testing.assert_array_equal(panel.values[0], sample.x)
    assert np.isfinite(panel.values[1]).all()


def test_more_than_ten_images_go_on_below_and_more_than_a_hundred_are_left_out():
    x = np.random.default_rng(0).random((130, 6))
    model = model_of(x, shape=(2, 3))
    (panel,) = reconstructions(model, sample_of(x, 25)).panels
    assert panel.rows == ("original", "reconstruction") * 3
    assert np.isnan(panel.images[45:50]).all()
    picture = reconstructions(model, sample_of(x, 200))
    assert "shown are the first 100 of 130 rows" in picture.notes
    assert "100 rows as images of 2 by 3 pixels" in picture.description


def test_it_is_said_that_rows_were_drawn(x):
    notes = reconstructions(model_of(x), sample_of(x, 5)).notes
    assert "shown are 5 of 60 rows, drawn at random" in notes


def test_whole_numbers_are_rows_too():
    x = np.random.default_rng(0).integers(0, 255, (50, 6)).astype(np.uint8)
    model, sample = model_of(x, names=tuple("123456")), sample_of(x, 4)
    panel, _ = reconstructions(model, sample).panels
    np.testing.assert_allclose(panel.values, [sample.x, made_of(model, sample.x)])


def test_rows_of_another_width_are_refused(x):
    with pytest.raises(InputError, match="have 5 columns and the model was trained on 6"):
        reconstructions(model_of(x), sample_of(np.ascontiguousarray(x[:, :5])))


def test_a_classifier_is_refused(x):
    classifier = AutoencoderClassifier(Autoencoder(**SETTINGS), head_epochs=1, epochs=0)
    known = classifier.fit(x, np.arange(60) % 2).model_
    with pytest.raises(InputError, match="is a classifier, which has no decoder"):
        reconstructions(known, sample_of(x))


def test_a_row_whose_reconstruction_is_no_number_is_refused():
    x = np.random.default_rng(0).random((50, 6))
    model = model_of(x, scale="none")
    with pytest.raises(InputError, match="no finite number"):
        reconstructions(model, sample_of(np.full((3, 6), 1e300)))
