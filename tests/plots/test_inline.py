"""SVG in a page: its colours, unique ids, text as text, nothing from elsewhere."""

import base64
import io
import re
from xml.etree import ElementTree as Tree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from drawn_panels import KINDS, ODD_TEXT, WORDS, panel_of, picture_of

from gpuae.pictures.picture import Points, Tiles
from gpuae.plots.figure import svg


def parsed(picture, prefix="p", **others):
    return Tree.fromstring(svg(picture, prefix, **others))


def named(root, name):
    return [own for own in root.iter() if own.tag.rpartition("}")[2] == name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_picture_gives_the_same_text_that_needs_nothing_else(kind):
    own = picture_of(panel_of(kind))
    text = svg(own, "p")
    assert text == svg(own, "p")
    assert text.startswith("<svg ")
    assert set(re.findall(r"https?://[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "<style" not in text
    for link in re.findall(r'href="(.*?)"', text):
        assert link.startswith(("#p-", "data:image/png;base64,"))


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_among_pictures_and_what_is_referred_to_is_there(kind):
    own, everything = picture_of(panel_of(kind)), []
    for prefix in ("a", "b"):
        text = svg(own, prefix)
        ids = re.findall(r'\bid="(.*?)"', text)
        assert set(re.findall(r'(?:url\(|href=")#([^)"]*)', text)) <= set(ids)
        everything += ids
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_axes_have_the_pages_colour_and_nothing_lies_below(kind):
    text = svg(picture_of(panel_of(kind)), "p")
    assert "#010203" not in text
    for own in named(Tree.fromstring(text), "text"):
        assert "fill: currentColor" in own.get("style")
    assert not re.search(r"(fill|stroke): (#000000|#ffffff|black|white)", text, re.IGNORECASE)


@pytest.mark.parametrize("name", ODD_TEXT)
def test_odd_text_is_text(name):
    words = ODD_TEXT[name]
    own = picture_of(panel_of("tiles", words), title=words)
    root = parsed(own, worded=True)
    assert not [own for own in root.iter() if own.tag.rpartition("}")[2] == "script"]
    said = " ".join(own.text for own in named(root, "text"))
    for expected in {"markup": ["<script>"], "mathematics": ["$x_1$"], "no glyph": ["🦠"]}.get(
        name, []
    ):
        assert expected in said


def test_it_says_what_is_seen_to_who_cannot_see_it():
    root = parsed(picture_of(panel_of("lines"), title="<b>A title"))
    title, description = (root[place] for place in (0, 1))
    assert (title.text, description.text) == ("<b>A title", "What is seen.")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]


def test_title_and_notes_are_drawn_only_where_the_page_has_none():
    own = picture_of(panel_of("lines"), title="the title", notes=("the note",))
    bare, worded = (
        {text.text for text in named(parsed(own, worded=worded), "text")}
        for worded in (False, True)
    )
    assert worded - bare == {"the title", "the note"}


def test_images_hold_their_own_pixels_once():
    from PIL import Image

    images = np.random.default_rng(0).random((6, 28, 28))
    (image,) = named(parsed(picture_of(Tiles("", images, 3))), "image")
    assert "pixelated" in image.get("style")
    content = base64.b64decode(image.get("href").partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L"), np.float64)
    assert pixels.shape == (57, 86)  # 28 pixels a side, one between
    upright = pixels if np.abs(pixels[:28, :28] / 255 - images[0]).max() < 0.01 else pixels[::-1]
    np.testing.assert_allclose(upright[:28, :28] / 255, images[0], atol=0.01)


def test_a_large_cloud_of_points_is_one_image():
    x, y = np.random.default_rng(0).normal(size=(2, 20_000))
    root = parsed(picture_of(Points("", WORDS, x, y)))
    assert len(named(root, "image")) == 1
    assert len(named(root, "use")) < 100
