"""Pictures on their way to a page: nothing is lost but what no page could show."""

import json
from base64 import b64decode

import numpy as np

from gpuae.live.packed import MOST_COLUMNS, MOST_PIXELS, packed, packed_panel
from gpuae.pictures.picture import Axes, Picture, Profiles, Tiles


def tiles(images, **options):
    return Tiles("", np.asarray(images, float), across=1, **options)


def pixels(panel):
    own = json.loads(json.dumps(packed_panel(panel), allow_nan=False))["images"]
    return np.frombuffer(b64decode(own["uint8"]), np.uint8).reshape(own["shape"])


def profiles(columns, **options):
    values = np.arange(2.0 * columns).reshape(1, 2, columns)
    return Profiles("", Axes("nm", ""), np.arange(columns) + 1.0, values, across=2, **options)


def test_images_are_bytes_from_low_to_high_and_zero_where_there_is_nothing():
    shown = pixels(tiles([[[-1.0, 0.0, 1.0, np.nan, 9.0, -9.0]]], low=-1.0))
    assert shown.ravel().tolist() == [1, 128, 255, 0, 255, 1]


def test_images_of_one_value_are_shown():
    assert pixels(tiles([[[2.0]]], low=2.0, high=2.0)).ravel().tolist() == [1]


def test_colours_keep_their_places():
    images = np.zeros((1, 2, 2, 3))
    images[0, 0, 1, 2] = 1.0
    assert pixels(tiles(images))[0, 0, 1].tolist() == [1, 1, 255]


def test_large_images_are_thinned_and_that_is_said():
    shown = packed(Picture("", (tiles(np.ones((1, 3 * MOST_PIXELS, 7))),), "", ("one",)))
    assert shown["panels"][0]["images"]["shape"] == (1, MOST_PIXELS, 3)
    assert shown["notes"] == ["one", "of each image every 3rd pixel is shown, across and down"]


def test_long_curves_are_thinned_and_that_is_said():
    shown = packed(Picture("", (profiles(2 * MOST_COLUMNS),), ""))
    panel = shown["panels"][0]
    x = np.frombuffer(b64decode(panel["x"]["float32"]), "<f4")
    values = np.frombuffer(b64decode(panel["values"]["float32"]), "<f4")
    np.testing.assert_array_equal(x[:3], [1, 3, 5])
    np.testing.assert_array_equal(values[:3], [0, 2, 4])
    assert shown["notes"] == ["of each curve every 2nd column is shown"]


def test_bars_and_few_columns_are_all_shown():
    for panel in (profiles(2 * MOST_COLUMNS, bars=True), profiles(5)):
        assert packed(Picture("", (panel,), ""))["notes"] == []
    assert packed_panel(profiles(3))["x"] == [1.0, 2.0, 3.0]


def test_text_is_json_whatever_it_is():
    odd = "<script>\udc80\u202e\n\"'"
    shown = packed(Picture(odd, (profiles(2, names=(odd, "b"), bars=True),), odd))
    again = json.loads(json.dumps(shown, allow_nan=False).encode())
    assert (again["title"], again["panels"][0]["names"]) == (odd, [odd, "b"])
