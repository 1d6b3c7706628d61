"""How rows are drawn: as images, curves or bars, and in which units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpuae import Autoencoder
from gpuae.pictures.geometry import MOST_BARS, Geometry, is_image, numbers_in, span_of

SETTINGS = {"hidden": 2, "depth": 1, "epochs": 0, "init": "glorot", "validation": 0}


@pytest.fixture
def model_of(low_rank):
    """A function that makes an untrained model of so many columns."""

    def make(columns, names=None, shape=None, **settings):
        x = low_rank(30, columns) * np.linspace(1, 5, columns)
        model = Autoencoder(**SETTINGS | settings).fit(x).model_
        return replace(model, feature_names=names, image_shape=shape)

    return make


# Names that are numbers


@pytest.mark.parametrize(
    ("names", "numbers", "unit"),
    [
        (("1100", "1102.5", "1105"), [1100, 1102.5, 1105], ""),
        (("4000 cm⁻¹", "3998 cm⁻¹", "3996 cm⁻¹"), [4000, 3998, 3996], "cm⁻¹"),
        (("400nm", "401nm", "402nm"), [400, 401, 402], "nm"),
        ((" -1", "0 ", "+1e3"), [-1, 0, 1000], ""),
    ],
)
def test_numbers_that_rise_or_fall_are_the_axis_of_a_curve(names, numbers, unit):
    found, own = numbers_in(names)
    np.testing.assert_array_equal(found, numbers)
    assert own == unit


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("1", "2"),
        ("1", "3", "2"),
        ("1", "1", "2"),
        ("1", "2", "mass"),
        ("1 nm", "2 nm", "3 mm"),
        ("1", "2", "inf"),
        ("1", "2", "9e999"),
        ("x1", "x2", "x3"),
        ("1.1.2", "1.1.3", "1.1.4"),
        ("2020-01", "2020-02", "2020-03"),
    ],
)
def test_other_names_are_none(names):
    assert numbers_in(names) is None


# What is drawn


@pytest.mark.parametrize(
    ("shape", "images"),
    [
        ((4, 6), (4, 6)),
        ((4, 6, 1), (4, 6)),
        ((4, 2, 3), (4, 2, 3)),
        ((2, 6, 2), (2, 13)),
        ((3, 2, 4), (3, 11)),
    ],
)
def test_rows_of_a_known_shape_are_images(model_of, shape, images):
    geometry = Geometry.of(model_of(24, shape=shape))
    assert geometry.kind == "images"
    assert geometry.images(np.zeros((5, 24))).shape == (5, *images)


def test_pixels_and_colours_stay_where_they_are(model_of):
    rows = np.arange(48.0).reshape(2, 24)
    for shape in ((4, 6), (4, 2, 3)):
        images = Geometry.of(model_of(24, shape=shape)).images(rows)
        np.testing.assert_array_equal(images, rows.reshape(2, *shape))


def test_channels_may_come_first(model_of):
    rows = np.arange(3 * 9 * 9.0)[None]
    (image,) = Geometry.of(model_of(243, shape=(3, 9, 9))).images(rows)
    np.testing.assert_array_equal(image, rows.reshape(3, 9, 9).transpose(1, 2, 0))


def test_channels_that_are_no_colours_stand_side_by_side(model_of):
    rows = np.arange(24.0)[None]
    (image,) = Geometry.of(model_of(24, shape=(4, 3, 2))).images(rows)
    cube = rows.reshape(4, 3, 2)
    np.testing.assert_array_equal(image[:, :3], cube[..., 0])
    assert np.isnan(image[:, 3]).all()
    np.testing.assert_array_equal(image[:, 4:], cube[..., 1])


@pytest.mark.parametrize("shape", [None, (24,), (1, 24), (24, 1), (2, 2, 2, 3), (2, 1, 12)])
def test_what_is_no_plane_of_a_few_channels_is_no_image(shape):
    assert not is_image(shape)


def test_a_square_number_of_columns_makes_no_image(model_of):
    assert Geometry.of(model_of(16)).kind == "bars"
    assert Geometry.of(model_of(100)).kind == "curves"


def test_wavelengths_are_the_axis(model_of):
    names = tuple(f"{1100 + 2.5 * place} nm" for place in range(12))
    geometry = Geometry.of(model_of(12, names))
    assert geometry.kind == "curves"
    assert geometry.axis == "column, nm"
    np.testing.assert_array_equal(geometry.x, 1100 + 2.5 * np.arange(12))


@pytest.mark.parametrize("name", ["<script>", "a" * 200, "$x_1$", "", "\u202etxt", "a\nb", "😀"])
def test_few_columns_are_bars_of_their_names_as_they_are(model_of, name):
    names = (name, "mass", name)
    geometry = Geometry.of(model_of(3, names))
    assert (geometry.kind, geometry.names) == ("bars", names)


def test_columns_without_names_are_counted_from_1(model_of):
    assert Geometry.of(model_of(3)).names == ("1", "2", "3")


def test_too_many_columns_for_bars_are_a_curve_over_their_number(model_of):
    count = MOST_BARS + 1
    geometry = Geometry.of(model_of(count, tuple(f"x{place}" for place in range(count))))
    assert geometry.kind == "curves"
    np.testing.assert_array_equal(geometry.x, np.arange(1, count + 1))


# Units


def test_columns_of_different_units_are_shown_as_the_network_sees_them(model_of):
    model = model_of(3, scale="standard")
    geometry, rows = Geometry.of(model), np.array([[1.0, 2, 3]])
    assert geometry.units == "scaled units"
    np.testing.assert_allclose(geometry.shown(rows), model.preprocess.forward(rows))
    np.testing.assert_allclose(geometry.shown_differences(rows), rows * model.preprocess.factor)


@pytest.mark.parametrize(
    "own",
    [
        {"columns": 3, "scale": "none"},
        {"columns": 3, "scale": "pooled"},
        {"columns": 6, "shape": (2, 3), "scale": "standard"},
        {"columns": 3, "names": ("10", "20", "30"), "scale": "standard"},
    ],
)
def test_columns_of_one_unit_are_shown_in_it(model_of, own):
    geometry = Geometry.of(model_of(**own))
    rows = np.arange(2.0 * own["columns"]).reshape(2, -1)
    assert geometry.units == "data's own units"
    np.testing.assert_array_equal(geometry.shown(rows), rows)
    np.testing.assert_array_equal(geometry.shown_differences(rows), rows)


def test_the_span_of_values_leaves_missing_ones_and_rounding_out():
    assert span_of(np.array([[np.nan, 2.0], [3.0, np.nan]])) == (2, 3)
    assert span_of(np.array([-1e-14, 255])) == (0, 255)
    assert span_of(np.array([-3.0, -2e-9])) == (-3, 0)
    assert span_of(np.array([np.nan])) == (0, 1)
    assert span_of(np.array([4.0])) == (3.5, 4.5)


# Arrangement


@pytest.mark.parametrize(
    ("count", "across"), [(1, 1), (9, 3), (17, 4), (49, 7), (64, 8), (100, 10)]
)
def test_square_images_make_about_a_square(model_of, count, across):
    assert Geometry.of(model_of(16, shape=(4, 4))).across(count) == across


@pytest.mark.parametrize(("columns", "count", "across"), [(60, 9, 3), (60, 64, 8), (10, 10, 5)])
def test_curves_and_bars_make_a_page(model_of, columns, count, across):
    assert Geometry.of(model_of(columns)).across(count) == across


def test_wide_images_are_fewer_in_a_row(model_of):
    assert Geometry.of(model_of(64, shape=(4, 16))).across(64) == 4


def test_sets_of_images_stand_beneath_each_other_and_again_for_the_next_rows(model_of):
    geometry = Geometry.of(model_of(4, shape=(2, 2)))
    sets = [base + np.repeat(np.arange(3.0)[:, None], 4, axis=1) for base in (10, 20)]
    words = ("a", "b", "c", "d", "e", "f")
    drawn = geometry.tiles(
        "", sets, span=(0, 30), labels=("above", "below"), captions=words, across=2
    )
    assert drawn.rows == ("above", "below", "above", "below")
    assert drawn.captions == ("a", "b", "d", "e", "c", "", "f", "")
    first = drawn.images[:, 0, 0]
    np.testing.assert_array_equal(first, [10, 11, 20, 21, 12, np.nan, 22, np.nan])
    assert (drawn.low, drawn.high, drawn.across) == (0, 30, 2)
