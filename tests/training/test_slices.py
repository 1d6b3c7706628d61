"""How the gradient is shared out: every parameter to one slice, every slice to one region."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.training import slices
from gpuae.training.slices import GradientSlice, gradient_slices, joined_regions, regions_of

WIDTHS = st.lists(st.integers(1, 60), min_size=1, max_size=3).map(tuple)


def network_of(columns, hidden, **more):
    return mirrored_autoencoder(
        Config(
            **{"hidden": hidden, "activation": "sigmoid", "output_activation": "identity", **more}
        ),
        columns,
    )


@given(
    st.integers(1, 300), WIDTHS, st.sampled_from(["untied", "tied"]), st.integers(1, 20),
    st.integers(1, 5000),
)  # fmt: skip
def test_slices_hold_every_parameter_once(columns, hidden, decoder, count, smallest):
    network = network_of(columns, hidden, decoder=decoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SMALLEST_SLICE", smallest)
        cut = gradient_slices(network, count)
    seen = np.zeros(network.size, int)
    for own in cut:
        seen[own.place] += 1
        if own.weight is None:
            continue
        rows, wide = own.weight.shape
        assert 0 <= own.rows.start < own.rows.stop <= rows
        assert own.place.start == own.weight.place.start + own.rows.start * wide
        assert own.size == (own.rows.stop - own.rows.start) * wide
    assert (seen == 1).all()
    for decay in (False, True):
        joined = joined_regions(cut, decay=decay)
        assert len(joined) == 1
        for regions in (regions_of(cut, decay=decay), joined):
            covered, decayed = np.zeros((2, network.size), int)
            for region in regions:
                covered[region.place] += 1
                decayed[region.place][: region.decayed] += 1
            assert (covered == 1).all()
            assert (decayed[: network.n_weights] == decay).all()
            assert not decayed[network.n_weights :].any()


def test_slices_of_a_weight_are_alike():
    cut = gradient_slices(network_of(784, (200,)), 2)
    assert [own.rows for own in cut[:4]] == [
        slice(0, 392),
        slice(392, 784),
        slice(0, 100),
        slice(100, 200),
    ]
    assert cut[4].weight is None


def test_small_weights_are_not_cut():
    assert len(gradient_slices(network_of(64, (25,)), 16)) == 3


def test_what_is_not_trained_is_in_no_slice():
    network = network_of(9, (5,))
    first, second = network.layers
    frozen = replace(first.weight, trained=False), replace(first.bias, trained=False)
    layers = (replace(first, weight=frozen[0], bias=frozen[1]), second)
    network = replace(network, layers=layers)
    places = [(own.place.start, own.place.stop) for own in gradient_slices(network, 1)]
    assert places == [(45, 90), (95, 104)]
    regions = joined_regions(gradient_slices(network, 1), decay=True)
    assert [(own.place.start, own.place.stop, own.decayed) for own in regions] == [
        (45, 90, 45),
        (95, 104, 0),
    ]
    assert network.lowest_trained == 1


def test_a_weight_decays_if_its_group_says_so():
    weight = network_of(9, (5,)).layers[0].weight
    for decays in (True, False):
        own = replace(weight, decays=decays)
        (region,) = regions_of([GradientSlice(own, slice(0, 1), slice(0, 5))], decay=True)
        assert region.decayed == (5 if decays else 0)


def test_what_decays_comes_first_in_a_region():
    weight = network_of(9, (5,)).layers[0].weight
    bias, more = slice(0, 4), slice(4, 8)
    cut = [GradientSlice(None, slice(0, 0), bias), GradientSlice(weight, slice(0, 1), more)]
    assert len(joined_regions(cut, decay=False)) == 1
    assert [own.decayed for own in joined_regions(cut, decay=True)] == [0, 4]
