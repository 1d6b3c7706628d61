"""What units look for and write: the numbers that are drawn, their order, and what is said."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from gpuae import Autoencoder, AutoencoderClassifier
from gpuae.errors import GpuaeWarning, InputError
from gpuae.filters import maximal_inputs
from gpuae.pictures.onehot import onehot, usual_sizes
from gpuae.pictures.picture import Profiles, Tiles
from gpuae.pictures.units import MOST_UNITS, how_many
from gpuae.pictures.weights import weights

SETTINGS = {"depth": 1, "epochs": 0, "init": "glorot", "validation": 0, "scale": "none"}


@pytest.fixture
def model_of(low_rank):
    """A function that makes an untrained model of units (hidden) and columns."""

    def make(hidden, columns=4, shape=None, names=None, **settings):
        unfitted = Autoencoder(hidden=hidden, **SETTINGS | settings)
        with warnings.catch_warnings():  # of more units than there are columns
            warnings.simplefilter("ignore", GpuaeWarning)
            model = unfitted.fit(low_rank(60, columns)).model_
        return replace(model, image_shape=shape, feature_names=names)

    return make


def with_weights(model, values, layer=0):
    """Give a layer these weights (n_in, n_out)."""
    parameters = model.parameters.copy()
    model.network.views(parameters)[layer].weight[...] = values
    return replace(model, parameters=parameters)


# What units look for


def test_a_tile_is_the_units_weights_over_its_largest(model_of):
    model = with_weights(model_of(2, shape=(2, 2)), [[1, 0], [2, -4], [-4, 0], [0, 2]])
    (panel,) = weights(model).panels
    assert isinstance(panel, Tiles)
    assert (panel.low, panel.high) == (-1, 1)
    expected = [[[0.25, 0.5], [-1, 0]], [[0, -1], [0, 0.5]]]
    np.testing.assert_allclose(panel.images, expected)
    assert panel.captions == ("0", "1")


def test_colours_keep_their_three_values(model_of):
    model = model_of(3, columns=12, shape=(2, 2, 3))
    (panel,) = weights(model).panels
    own = maximal_inputs(model)
    expected = (own / np.abs(own).max(axis=1, keepdims=True)).reshape(3, 2, 2, 3)
    np.testing.assert_allclose(panel.images, expected)


@pytest.mark.parametrize("settings", [{}, {"scale": "pooled", "whiten": "pca"}])
def test_a_curve_is_the_input_of_length_1_in_the_datas_own_units(model_of, settings):
    names = ("400", "410", "420", "430")
    model = model_of(2, names=names, **settings)
    (panel,) = weights(model).panels
    assert isinstance(panel, Profiles)
    np.testing.assert_allclose(panel.values, [maximal_inputs(model)])
    np.testing.assert_array_equal(panel.x, [400, 410, 420, 430])
    assert not panel.bars
    assert panel.axes.y == "data's own units"


def test_bars_of_columns_of_different_units_are_scaled(model_of):
    names = ("mass", "age", "length", "count")
    model = model_of(2, names=names, scale="standard")
    (panel,) = weights(model).panels
    own = model.network.views(model.parameters)[0].weight
    np.testing.assert_allclose(panel.values, [(own / np.linalg.norm(own, axis=0)).T], rtol=1e-6)
    assert (panel.bars, panel.names) == (True, names)
    assert panel.axes.y == "scaled units"


def test_of_a_deep_model_the_first_layer_is_shown(model_of):
    model = model_of([3, 2], depth=None)
    assert weights(model).panels[0].values.shape == (1, 3, 4)


def test_units_without_weights_are_flat_and_that_is_said(model_of):
    own = [[1, 0, 1e-6], [2, 0, 0], [-4, 0, 0], [0, 0, 0]]
    picture = weights(with_weights(model_of(3, shape=(2, 2)), own))
    assert (picture.panels[0].images[1:] == 0).all()
    assert "2 units are nearly 0 throughout and shown flat" in picture.notes
    assert "3 units (2 of them nearly 0 throughout)" in picture.description


def test_units_that_are_all_zeros_are_all_flat(model_of):
    for shape in (None, (2, 2)):
        picture = weights(with_weights(model_of(2, shape=shape), 0), alike=True)
        assert "2 units (2 of them nearly 0 throughout)" in picture.description


def test_the_first_units_are_shown_where_they_are_limited(model_of):
    model = model_of(5, shape=(2, 2))
    picture = weights(model, count=2)
    np.testing.assert_array_equal(picture.panels[0].images, weights(model).panels[0].images[:2])
    assert "shown are the first 2 of 5 units" in picture.notes
    assert "the first 2 of 5 units" in picture.description
    assert not any("shown are" in note for note in weights(model, count=9).notes)


def test_there_are_limits_on_units_and_on_all_their_values():
    assert how_many(None, 5000, 10) == MOST_UNITS
    assert how_many(2000, 5000, 10) == 2000
    assert 10 < how_many(None, 5000, 100_000) < 100
    assert how_many(None, 5, 10**9) == 1


@pytest.mark.parametrize("draw", [weights, onehot])
@pytest.mark.parametrize("count", [0, -3])
def test_no_units_at_all_are_refused(model_of, draw, count):
    with pytest.raises(InputError, match=f"count: is {count}; give how many units"):
        draw(model_of(2), count=count)


def test_many_units_have_no_numbers(model_of):
    assert weights(model_of(101, shape=(2, 2))).panels[0].captions == ()


# Alike units


def test_units_in_an_order_of_likeness_keep_their_numbers(model_of):
    model = model_of(6, shape=(2, 2))
    plain, picture = weights(model), weights(model, alike=True)
    for image, caption in zip(picture.panels[0].images, picture.panels[0].captions, strict=True):
        np.testing.assert_array_equal(image, plain.panels[0].images[int(caption)])
    assert "alike units stand together" in picture.notes


# What units write


def test_a_unit_adds_its_row_of_the_decoder_to_what_zeros_are_decoded_to(model_of):
    settings = {"activation": "sigmoid", "output_activation": "identity"}
    model = model_of(3, names=("1", "2", "3", "4"), **settings)
    parameters = model.parameters.copy()
    model.network.views(parameters)[1].bias[...] = [1, 2, 3, 4]
    zeros, units = onehot(replace(model, parameters=parameters)).panels
    np.testing.assert_allclose(zeros.values, [[[1, 2, 3, 4]]])
    own = model.network.views(parameters)[1].weight
    np.testing.assert_allclose(units.values, [own], rtol=1e-5, atol=1e-6)
    assert units.captions == ("0", "1", "2")


def test_as_images_units_are_on_a_scale_about_grey(model_of):
    model = model_of(2, shape=(2, 2), activation="sigmoid", output_activation="identity")
    _, units = onehot(model).panels
    own = model.network.views(model.parameters)[1].weight.reshape(2, 2, 2)
    largest = np.abs(own).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(units.images, own / largest, rtol=1e-5, atol=1e-6)
    assert (units.low, units.high) == (-1, 1)


@pytest.mark.parametrize("scale", ["none", "standard"])
def test_the_image_of_zeros_has_the_black_and_white_of_the_training_rows(low_rank, scale):
    x = 9 * low_rank(60, 4)
    fitted = Autoencoder(hidden=2, **SETTINGS | {"scale": scale}).fit(x, image_shape=(2, 2))
    zeros, _ = onehot(fitted.model_).panels
    assert (zeros.low, zeros.high) == (pytest.approx(x.min()), pytest.approx(x.max()))
    made = np.clip(fitted.inverse_transform(np.zeros((1, 2), np.float32)), x.min(), x.max())
    np.testing.assert_allclose(zeros.images, made.reshape(1, 2, 2), rtol=1e-5)


def test_it_is_said_where_a_code_of_zeros_is_unlike_those_of_rows(low_rank):
    """Codes of sigmoid that start as PCA are near a half; an identity has zeros for a mean row."""
    notes = {}
    for activation in ("sigmoid", "identity"):
        settings = SETTINGS | {"hidden": 4, "activation": activation, "init": "pca"}
        fitted = Autoencoder(**settings).fit(low_rank(60, 12, 4))
        notes[activation] = onehot(fitted.model_).notes
    unlike = "a code of zeros is unlike the codes of training rows: what it is decoded to is beyond"
    assert notes["sigmoid"][0].startswith(unlike)
    assert not any("unlike" in note for note in notes["identity"])


def test_of_whitened_images_the_image_of_zeros_has_its_own(model_of):
    zeros, _ = onehot(model_of(2, shape=(2, 2), scale="pooled", whiten="zca")).panels
    assert (zeros.low, zeros.high) == (zeros.images.min(), zeros.images.max())


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_units_with_a_highest_value_are_set_to_it(model_of, activation):
    np.testing.assert_array_equal(usual_sizes(model_of(3, activation=activation)), 1)


def test_others_are_set_to_what_they_usually_are(low_rank):
    """Of an untrained PCA the root mean squares are the deviations along the axes."""
    x = 7 * low_rank(500, 6)
    settings = {"hidden": 2, "depth": 1, "activation": "identity", "scale": "pooled"}
    fitted = Autoencoder(epochs=0, decoder="tied", **settings).fit(x)
    expected = np.sqrt((fitted.transform(x) ** 2).mean(axis=0))
    np.testing.assert_allclose(usual_sizes(fitted.model_), expected, rtol=0.1)


def test_without_principal_axes_they_are_set_to_1(model_of):
    model = replace(model_of(3, activation="relu"), pca=None)
    np.testing.assert_array_equal(usual_sizes(model), 1)


def test_of_many_code_units_the_first_are_decoded(model_of):
    picture = onehot(model_of(5, shape=(2, 2)), count=2)
    assert picture.panels[1].captions == ("0", "1")
    assert "shown are the first 2 of 5 units" in picture.notes


def test_a_classifier_writes_nothing_but_looks_for_something(low_rank):
    encoder = Autoencoder(hidden=3, **SETTINGS)
    classifier = AutoencoderClassifier(encoder, head_epochs=1, epochs=0)
    classifier = classifier.fit(low_rank(60, 4), np.arange(60) % 2).model_
    assert weights(classifier).panels[0].values.shape == (1, 3, 4)
    with pytest.raises(InputError, match="is a classifier, which has no decoder"):
        onehot(classifier)


# What is said to those who do not see it


def test_of_images_it_is_said_how_local_they_are(model_of):
    pixel = np.zeros((36, 1))
    pixel[14] = 1
    picture = weights(with_weights(model_of(1, columns=36, shape=(6, 6)), pixel))
    assert "the one unit of the first layer most, as images of 6 by 6 pixels" in picture.description
    assert "Their median locality is 0.00" in picture.description


def test_of_curves_it_is_said_where_they_are_largest(model_of):
    model = with_weights(model_of(4, names=("10", "20", "30", "40")), np.eye(4))
    assert "around 25, half of them from 17.5 to 32.5" in weights(model).description


def test_of_bars_it_is_said_which_columns_weigh_most(model_of):
    own = [[0, 0, 1], [3, -3, 0], [1, 1, 0], [0, 0, 0]]
    model = with_weights(model_of(3, names=("mass", "age", "<b>", "id")), own)
    assert "largest in most units: age (2), mass (1)." in weights(model).description


def test_a_few_pixels_far_above_all_others_do_not_make_an_image_grey(model_of):
    values = np.full((100, 1), 0.4)
    values[50:] = -0.4
    values[0], values[1] = 1, 0.9
    (panel,) = weights(with_weights(model_of(1, columns=100, shape=(10, 10)), values)).panels
    np.testing.assert_allclose(panel.images[0, -1], -1)
    values[2:] = 0.01
    (panel,) = weights(with_weights(model_of(1, columns=100, shape=(10, 10)), values)).panels
    np.testing.assert_allclose(panel.images[0, -1], 0.04, rtol=1e-6)
