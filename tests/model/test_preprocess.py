"""Scaling and whitening, by hand on small data."""

import numpy as np
import pytest

from gpuae.backends.numpy_ops import NumpyOps
from gpuae.backends.ops import Clock, Rows
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.feed import Feed, Restore
from gpuae.model.preprocess import Preprocess, fit_preprocess
from gpuae.model.statistics import column_statistics
from gpuae.model.tile import Tile

SMALL = np.array([[0.0, 10.0], [2.0, 10.0], [4.0, 40.0]])


def learn(x, rows=None, **settings):
    rows = np.arange(len(x)) if rows is None else np.array(rows)
    config = Config(
        **{"scale": "minmax", "activation": "sigmoid", "output_activation": "identity", **settings}
    )
    return fit_preprocess(x, rows, config, column_statistics(x, rows))


def test_no_scaling_leaves_the_data():
    np.testing.assert_array_equal(learn(SMALL, scale="none").scaled(SMALL), SMALL)


def test_minmax_scales_each_column_to_the_unit_interval():
    scaled = learn(SMALL, scale="minmax").scaled(SMALL)
    np.testing.assert_allclose(scaled, [[0, 0], [0.5, 0], [1, 1]], rtol=1e-15)


def test_unit_scales_all_columns_alike():
    scaled = learn(SMALL, scale="unit").scaled(SMALL)
    np.testing.assert_allclose(scaled, SMALL / 40, rtol=1e-15)


@pytest.mark.parametrize(
    ("dtype", "highest"),
    [
        ("uint8", 255),
        ("uint16", 65535),
        ("int8", 127),
        ("int16", 32767),
        ("int32", 2**31 - 1),
        ("uint32", 2**32 - 1),
        ("int64", 2**63 - 1),
    ],
)
def test_unit_divides_whole_numbers_by_their_types_largest(dtype, highest):
    x = np.array([[0, 1], [2, 3]], dtype)
    np.testing.assert_allclose(learn(x, scale="unit").scaled(x), x / highest, rtol=1e-15)


def test_standard_gives_each_column_mean_zero_and_deviation_one():
    scaled = learn(SMALL, scale="standard").scaled(SMALL)
    root = np.sqrt(8 / 3)
    expected = [[-2 / root, -10 / np.sqrt(200)], [0, -10 / np.sqrt(200)], [2 / root, 20 / 200**0.5]]
    np.testing.assert_allclose(scaled, expected, rtol=1e-14)


def test_sigma_maps_three_deviations_of_everything_to_a_tenth_and_nine():
    mean, deviation = SMALL.mean(), SMALL.std()
    preprocess = learn(SMALL, scale="sigma")
    ends = np.array([[mean - 3 * deviation] * 2, [mean] * 2, [mean + 3 * deviation] * 2])
    np.testing.assert_allclose(preprocess.scaled(ends), [[0.1] * 2, [0.5] * 2, [0.9] * 2])
    beyond = np.array([[mean - 9 * deviation, mean + 9 * deviation]])
    assert preprocess.scaled(beyond).tolist() == [[0.1, 0.9]]


@pytest.mark.parametrize("scale", ["minmax", "standard", "unit", "sigma"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e9 + 0.1])
def test_a_constant_column_is_centred_and_never_divided_by_zero(scale, value):
    x = np.column_stack([np.full(5, value), np.arange(5.0)])
    scaled = learn(x, scale=scale).scaled(x)
    assert np.isfinite(scaled).all()
    if scale in ("minmax", "standard"):
        assert not scaled[:, 0].any()


@pytest.mark.parametrize("scale", ["minmax", "standard", "unit", "sigma"])
def test_data_without_any_variation_stay_finite(scale):
    x = np.full((4, 3), 5.0)
    assert np.isfinite(learn(x, scale=scale).scaled(x)).all()


@pytest.mark.parametrize("scale", ["minmax", "standard", "unit", "sigma"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [14.62, -0.1, 1e9])
def test_a_column_that_varies_by_rounding_only_is_constant(scale, dtype, value):
    value = np.dtype(dtype).type(value)
    x = np.full((10, 1), value)
    x[::2] = np.nextafter(value, np.inf)
    preprocess = learn(x, scale=scale)
    assert preprocess.factor[0] in (1.0, pytest.approx(0.8 / 6))


def test_whole_numbers_far_from_zero_vary():
    x = 2**50 + np.arange(3)[:, None]
    np.testing.assert_array_equal(learn(x, scale="minmax").scaled(x), [[0], [0.5], [1]])


@pytest.mark.parametrize("whiten", ["pca", "zca"])
def test_columns_that_vary_by_rounding_only_are_not_blown_up_by_whitening(whiten):
    x = np.full((10, 2), [14.62, -0.1])
    x[::2] = np.nextafter(x[::2], np.inf)
    assert np.abs(learn(x, whiten=whiten, scale="none").whitening.forward).max() < 1e3


def test_statistics_come_from_the_training_rows_only():
    x = np.array([[0.0], [1.0], [100.0]])
    preprocess = learn(x, rows=[0, 1], scale="minmax")
    np.testing.assert_allclose(preprocess.scaled(x).ravel(), [0, 1, 100])


@pytest.mark.parametrize("scale", ["none", "unit", "minmax", "standard", "sigma"])
def test_lowest_and_highest_are_those_of_the_preprocessed_columns(scale):
    x = np.random.default_rng(0).standard_normal((40, 3)) * [1, 5, 0.1]
    preprocess = learn(x, scale=scale)
    scaled = preprocess.scaled(x)
    np.testing.assert_allclose(preprocess.low, scaled.min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(preprocess.high, scaled.max(axis=0), rtol=1e-12)


# Whitening


def correlated(rows=400, columns=5, seed=0):
    """Return rows whose principal axes are not the columns and have deviations from 1 to 4."""
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.standard_normal((columns, columns)))
    return (
        random.standard_normal((rows, columns)) @ (np.linspace(1, 4, columns)[:, None] * axes) + 3
    )


def whitened(preprocess, x):
    own = preprocess.whitening
    return (preprocess.scaled(x) - own.mean) @ own.forward


@pytest.mark.parametrize("whiten", ["pca", "zca"])
@pytest.mark.parametrize("scale", ["none", "minmax", "standard"])
def test_whitened_columns_are_uncorrelated_with_variance_one(whiten, scale):
    x = correlated()
    white = whitened(learn(x, whiten=whiten, scale=scale), x)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(5), atol=1e-3)


def test_pca_orders_its_axes_by_variance():
    x = np.random.default_rng(4).standard_normal((500, 3)) * [1, 9, 3]
    forward = learn(x, whiten="pca", scale="none").whitening.forward
    assert np.abs(forward).argmax(axis=0).tolist() == [1, 2, 0]


def test_an_axis_points_where_its_largest_entry_is_positive():
    forward = learn(correlated(), whiten="pca", scale="none").whitening.forward
    assert (forward[np.abs(forward).argmax(axis=0), range(5)] > 0).all()


def test_zca_stays_nearest_to_the_data():
    """Its matrix is symmetric: it rotates back to where the columns were."""
    forward = learn(correlated(), whiten="zca", scale="none").whitening.forward
    np.testing.assert_allclose(forward, forward.T, atol=1e-10)


@pytest.mark.parametrize("whiten", ["pca", "zca"])
def test_whitening_has_an_inverse(whiten):
    x = correlated()
    preprocess = learn(x, whiten=whiten)
    own = preprocess.whitening
    np.testing.assert_allclose(own.forward @ own.back, np.eye(5), atol=1e-10)
    back = whitened(preprocess, x) @ own.back + own.mean
    np.testing.assert_allclose(back, preprocess.scaled(x), atol=1e-12)


@pytest.mark.parametrize("whiten", ["pca", "zca"])
def test_whitening_survives_columns_that_depend_on_each_other(whiten):
    x = correlated(columns=3)
    x = np.column_stack([x, x[:, 0] + x[:, 1], np.full(len(x), 2.0)])
    preprocess = learn(x, whiten=whiten)
    white = whitened(preprocess, x)
    assert np.isfinite(white).all()
    assert np.abs(white).max() < 50
    back = white @ preprocess.whitening.back + preprocess.whitening.mean
    np.testing.assert_allclose(back, preprocess.scaled(x), atol=1e-9)


def test_lowest_and_highest_are_whitened_too():
    x = correlated()
    preprocess = learn(x, whiten="pca")
    np.testing.assert_allclose(preprocess.low, whitened(preprocess, x).min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(preprocess.high, whitened(preprocess, x).max(axis=0), rtol=1e-12)


# Through the backends and into files


@pytest.mark.parametrize("whiten", ["none", "pca"])
def test_a_preprocess_is_read_back_as_it_was(whiten):
    preprocess = learn(correlated(), whiten=whiten, scale="sigma")
    again = Preprocess.from_arrays(preprocess.arrays())
    assert again.arrays().keys() == preprocess.arrays().keys()
    for name, stored in preprocess.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], stored)


def fed(ops, x, rows, **settings):
    """Return what the network is given for some rows, and that brought back to raw units."""
    defaults = {"hidden": (2,), "output_activation": "identity", "dtype": "float64"}
    defaults |= {"activation": "sigmoid", "code_activation": "sigmoid"}
    config = Config(**defaults | settings)
    preprocess = fit_preprocess(
        x, np.arange(len(x)), config, column_statistics(x, np.arange(len(x)))
    )
    network = mirrored_autoencoder(config, x.shape[1])
    tile = Tile.allocate(ops, network, config, len(rows), training=True)
    clock = Clock(np.zeros(4, np.int64), np.zeros(1))
    feed = Feed.create(ops, x, preprocess, config, noisy=True)
    feed.load(tile, Rows(np.array(rows), clock, 0, len(rows)))
    out = np.empty(tile.clean.shape)
    Restore.create(ops, preprocess, config).apply(tile.clean, np.empty_like(tile.clean), out)
    return preprocess, tile, out


@pytest.mark.parametrize("scale", ["none", "unit", "minmax", "standard", "sigma"])
@pytest.mark.parametrize("whiten", ["none", "pca", "zca"])
def test_rows_are_fed_preprocessed_and_restored(ops, scale, whiten):
    x = correlated(60)
    rows = [5, 0, 59]
    preprocess, tile, back = fed(ops, x, rows, scale=scale, whiten=whiten)
    expected = preprocess.scaled(x[rows])
    if whiten != "none":
        expected = whitened(preprocess, x[rows])
    np.testing.assert_allclose(tile.clean, expected, atol=1e-11)
    if scale != "sigma":  # which clips
        np.testing.assert_allclose(back, x[rows], atol=1e-10)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_raw_rows_of_any_type_are_fed(ops, dtype):
    x = np.array([[0, 50], [100, 100], [200, 250]], dtype)
    _, tile, back = fed(ops, x, [2, 1], scale="minmax")
    np.testing.assert_allclose(tile.clean, [[1, 1], [0.5, 0.25]], rtol=1e-6)
    np.testing.assert_allclose(back, x[[2, 1]], rtol=1e-6)


@pytest.mark.parametrize("scale", ["standard", "sigma", "minmax"])
@pytest.mark.parametrize("noise", ["none", "masking"])
@pytest.mark.parametrize(
    ("dtype", "offset", "spread"),
    [("float32", 1e6, 0.3), ("uint16", 60_000, 0.3), ("float64", 1e9, 1e-3)],
)
def test_rows_far_from_zero_are_fed_as_exactly_as_others(ops, scale, noise, dtype, offset, spread):
    x = (offset + spread * np.random.default_rng(0).standard_normal((50, 3))).astype(dtype)
    settings = {"scale": scale, "noise": noise, "noise_level": 0.0 if noise == "none" else 0.5}
    preprocess, tile, back = fed(ops, x, range(50), dtype="float32", **settings)
    np.testing.assert_allclose(tile.clean, preprocess.scaled(x), rtol=0, atol=5e-6)
    if scale != "sigma":
        np.testing.assert_allclose(back, x, rtol=0, atol=5e-6 * spread)


@pytest.mark.parametrize("source", ["uint8", "float32"])
def test_rows_near_zero_are_scaled_in_their_own_precision(source):
    """Of which they have enough: float64 would take longer."""
    x = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(source)
    config = Config(scale="standard", output_activation="identity")
    feed = Feed.create(NumpyOps(), x, learn(x, scale="standard"), config, noisy=False)
    assert feed.scaling.center.dtype == np.float32


@pytest.mark.parametrize("offset", [1e5, 1e8])
@pytest.mark.parametrize("scale", ["none", "unit", "sigma"])
def test_whitening_does_not_cancel_far_from_zero(ops, offset, scale):
    x = offset + correlated(60)
    preprocess, tile, back = fed(ops, x, range(60), dtype="float32", scale=scale, whiten="zca")
    np.testing.assert_allclose(tile.clean, whitened(preprocess, x), rtol=0, atol=5e-5)
    if scale != "sigma":
        np.testing.assert_allclose(back, x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("whiten", ["none", "pca"])
def test_the_target_stays_clean_beside_the_noisy_input(ops, whiten):
    x = correlated(40)
    settings = {"noise": "masking", "noise_level": 0.5, "scale": "standard", "whiten": whiten}
    _, tile, back = fed(ops, x, [3, 8, 9, 10], **settings)
    np.testing.assert_allclose(back, x[[3, 8, 9, 10]], atol=1e-10)
    masked = tile.noisy == 0
    assert 0 < masked.mean() < 1
    np.testing.assert_array_equal(tile.noisy[~masked], tile.clean[~masked])


@pytest.mark.parametrize(
    ("settings", "alike"),
    [
        ({"scale": "none"}, True),
        ({"scale": "unit"}, True),
        ({"scale": "sigma"}, True),
        ({"scale": "standard"}, False),
        ({"scale": "pooled"}, False),
        ({"scale": "none", "whiten": "pca"}, False),
    ],
)
def test_clipped_noise_stays_within_the_ends_of_the_column_or_of_all_alike(ops, settings, alike):
    x = correlated(40)
    noise = {"noise": "clipped_gaussian", "noise_level": 100.0}
    preprocess, tile, _ = fed(ops, x, range(40), **noise, **settings)
    low, high = preprocess.low, preprocess.high
    if alike:
        low, high = np.full(5, low.min()), np.full(5, high.max())
    np.testing.assert_array_equal(tile.noisy.min(axis=0), low)
    np.testing.assert_array_equal(tile.noisy.max(axis=0), high)


def test_salt_and_pepper_are_the_columns_own_ends(ops):
    x = correlated(40)
    settings = {"noise": "salt_pepper", "noise_level": 1.0, "scale": "standard"}
    preprocess, tile, _ = fed(ops, x, range(20), **settings)
    for column in range(5):
        ends = {preprocess.low[column], preprocess.high[column]}
        assert set(tile.noisy[:, column]) == ends
