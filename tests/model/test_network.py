"""The layout of a network: mirrored layers in one flat vector, weights before biases."""

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder


def build(columns=7, **settings):
    return mirrored_autoencoder(
        Config(**{"activation": "sigmoid", "output_activation": "identity", **settings}), columns
    )


def test_the_decoder_mirrors_the_encoder():
    network = build(hidden=(5, 3))
    assert [(layer.n_in, layer.n_out) for layer in network.layers] == [
        (7, 5),
        (5, 3),
        (3, 5),
        (5, 7),
    ]
    assert (network.depth, network.columns, network.code, network.code_size) == (2, 7, 1, 3)
    assert network.encoder + network.decoder == network.layers
    assert [layer.number for layer in network.layers] == [1, 2, 3, 4]


def test_hidden_layers_of_the_decoder_share_the_activation_and_the_last_has_its_own():
    network = build(hidden=(5, 3), activation="tanh")
    assert [layer.activation for layer in network.layers] == ["tanh", "tanh", "tanh", "identity"]


@pytest.mark.parametrize(
    ("decoder", "weights"), [("untied", 100), ("transpose", 100), ("tied", 50)]
)
def test_weights_come_first_and_fill_the_vector_without_gaps(decoder, weights):
    network = build(hidden=(5, 3), decoder=decoder)
    assert network.n_weights == weights
    assert network.size == weights + 5 + 3 + 5 + 7
    covered = np.zeros(network.size, int)
    for layer in network.layers:
        if not layer.transposed:
            covered[layer.weight.place] += 1
            assert layer.weight.place.stop <= network.n_weights
        covered[layer.bias.place] += 1
        assert layer.bias.place.start >= network.n_weights
    assert (covered == 1).all()


def test_views_are_the_vectors_own_memory():
    network = build(hidden=(5, 3))
    flat = np.arange(float(network.size))
    views = network.views(flat)
    assert [view.weight.shape for view in views] == [(7, 5), (5, 3), (3, 5), (5, 7)]
    assert [view.bias.shape for view in views] == [(5,), (3,), (5,), (7,)]
    views[1].weight[...] = -1
    assert (flat[35:50] == -1).all()


def test_a_tied_decoder_uses_the_encoders_weights():
    network = build(hidden=(5, 3), decoder="tied")
    views = network.views(np.arange(float(network.size)))
    assert [layer.transposed for layer in network.layers] == [False, False, True, True]
    for encoder, decoder in ((0, 3), (1, 2)):
        assert np.shares_memory(views[encoder].weight, views[decoder].weight)
        assert views[encoder].weight.shape == views[decoder].weight.shape
        assert not np.shares_memory(views[encoder].bias, views[decoder].bias)


def test_an_output_that_is_still_auto_is_a_mistake_of_ours():
    with pytest.raises(RuntimeError, match="resolved"):
        mirrored_autoencoder(Config(hidden=(3,), activation="sigmoid"), 5)


def test_groups_are_all_parameters_once_and_weights_alone_decay():
    network = build(hidden=(5, 3), decoder="tied")
    places = [(group.place.start, group.place.stop) for group in network.groups]
    assert places == [(0, 35), (35, 50), (50, 55), (55, 58), (58, 63), (63, 70)]
    assert [group.decays for group in network.groups] == [True] * 2 + [False] * 4
    assert network.users(network.layers[0].weight) == [3, 0]
    assert network.users(network.layers[1].weight) == [2, 1]
