"""Initial weights: their spread, their words, and the formula of the local ones."""

import numpy as np
import pytest

from gpuae.backends import philox
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters


def start(columns, image_shape=None, **settings):
    config = Config(
        **{"activation": "sigmoid", "output_activation": "identity", "init": "glorot", **settings}
    )
    network = mirrored_autoencoder(config, columns)
    flat = initial_parameters(network, config, image_shape)
    return network, flat, network.views(flat)


def limit(init, layer):
    """He's argument is of rectifiers: an output layer without one starts as for glorot."""
    he = init == "he" and layer.activation == "relu"
    return np.sqrt(6 / layer.n_in) if he else np.sqrt(6 / (layer.n_in + layer.n_out))


@pytest.mark.parametrize("init", ["glorot", "he"])
def test_weights_fill_the_interval_of_their_scheme_evenly(init):
    network, _, views = start(400, hidden=(300, 60), init=init, activation="relu")
    for layer, own in zip(network.layers, views, strict=True):
        bound, count = limit(init, layer), own.weight.size
        assert np.abs(own.weight).max() <= bound
        assert np.abs(own.weight).max() > 0.999 * bound
        assert abs(own.weight.mean()) < 4 * bound / np.sqrt(3 * count)
        assert own.weight.var() == pytest.approx(bound**2 / 3, rel=4 / np.sqrt(count))


def test_an_output_layer_with_a_rectifier_starts_with_he():
    network, _, views = start(50, hidden=(40,), init="he", output_activation="leaky_relu")
    assert network.layers[-1].activation == "leaky_relu"
    assert views[-1].weight.max() == pytest.approx(np.sqrt(6 / 40), rel=1e-2)


@pytest.mark.parametrize("init", ["glorot", "he", "distance"])
def test_biases_start_at_zero(init):
    network, flat, _ = start(6, hidden=(4, 2), init=init)
    assert not flat[network.n_weights :].any()
    assert flat[: network.n_weights].all()


def test_weights_are_the_words_of_their_row_column_and_layer():
    network, _, views = start(6, hidden=(5, 3), seed=2**40 + 9)
    for layer, own in zip(network.layers, views, strict=True):
        bound = limit("glorot", layer)
        for row, column in ((0, 0), (layer.n_in - 1, layer.n_out - 1)):
            counter = np.array([column // 4, row, 0, 3 + 256 * layer.number], np.uint32)
            word = int(philox.philox(counter, (9, 2**8))[column % 4])
            expected = bound * (2 * (word + 0.5) / 2**32 - 1)
            assert own.weight[row, column] == pytest.approx(expected, rel=1e-12)


def test_seeds_start_differently():
    assert not np.array_equal(start(6, hidden=(4,), seed=0)[1], start(6, hidden=(4,), seed=1)[1])
    assert np.array_equal(start(6, hidden=(4,), seed=1)[1], start(6, hidden=(4,), seed=1)[1])


@pytest.mark.parametrize("init", ["glorot", "he", "distance"])
def test_a_transposed_decoder_starts_as_the_encoders_transpose(init):
    _, _, views = start(7, hidden=(5, 3), decoder="transpose", init=init)
    np.testing.assert_array_equal(views[3].weight, views[0].weight.T)
    np.testing.assert_array_equal(views[2].weight, views[1].weight.T)


def test_an_untied_decoder_does_not():
    _, _, views = start(7, hidden=(5, 3))
    assert not np.array_equal(views[3].weight, views[0].weight.T)


def test_a_tied_decoder_starts_with_the_same_encoder():
    tied = start(7, hidden=(5, 3), decoder="tied")[2]
    untied = start(7, hidden=(5, 3))[2]
    for own, other in zip(tied[:2], untied[:2], strict=True):
        np.testing.assert_array_equal(own.weight, other.weight)


def bump(distance):
    return 0.001 * (1 + np.tanh(3 * (0.5 - distance))) / 2


def test_distance_weights_on_a_line_by_hand():
    """Four columns at 1/8, 3/8, 5/8, 7/8 and two units at 1/4, 3/4."""
    _, _, views = start(4, hidden=(2,), init="distance")
    distance = np.abs(np.array([[0.125], [0.375], [0.625], [0.875]]) - [0.25, 0.75])
    np.testing.assert_allclose(views[0].weight, bump(distance), rtol=1e-14)
    np.testing.assert_allclose(views[1].weight, bump(distance.T), rtol=1e-14)


def test_distance_weights_on_an_image_by_hand():
    """An image of 2 by 3 pixels; four units stand on a grid of 2 by 2."""
    _, _, views = start(6, (2, 3), hidden=(4,), init="distance")
    pixels = [(y, x) for y in (0.25, 0.75) for x in (1 / 6, 0.5, 5 / 6)]
    units = [(y, x) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    expected = [[bump(np.hypot(a - y, b - x)) for y, x in units] for a, b in pixels]
    np.testing.assert_allclose(views[0].weight, expected, rtol=1e-14)


def test_the_channels_of_a_pixel_share_a_place():
    _, _, views = start(12, (2, 2, 3), hidden=(4,), init="distance")
    weight = views[0].weight.reshape(4, 3, 4)
    np.testing.assert_array_equal(weight[:, 0], weight[:, 2])
    assert len(np.unique(weight[:, 0], axis=0)) == 4


def test_units_of_a_prime_number_stand_in_one_row():
    _, _, views = start(4, (2, 2), hidden=(3,), init="distance")
    expected = bump(np.hypot(0.25 - 0.5, 0.25 - 1 / 6))
    assert views[0].weight[0, 0] == pytest.approx(expected, rel=1e-14)
