"""The page in a browser: on a phone, in the dark, on paper."""

import re
from dataclasses import replace

import pytest

from gpuae.report.build import build
from gpuae.report.contents import Part
from gpuae.report.page import render


@pytest.fixture(scope="module")
def address(usual, subject_of, tmp_path_factory):
    """Where a page lies that compares two models of columns with hostile names."""
    other = subject_of(hidden=(3,), names=usual.model.feature_names)
    path = tmp_path_factory.mktemp("page") / "page.html"
    page = build([usual, other])
    first, second = page.models
    second = replace(second, pictures=(), extremes=Part(), neighbours=Part())  # to draw less
    path.write_bytes(render(replace(page, models=(first, second))))
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """A function that opens the page as wide as asked, and notes what it says and asks for."""
    contexts = []

    def make(width, scheme="light"):
        look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
        contexts.append(browser.new_context(**look))
        page, heard = contexts[-1].new_page(), []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url[:200]))
        page.goto(address)
        return page, [own for own in heard if own != address and not own.startswith("data:")]

    yield make
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_the_page_never_scrolls_sideways_and_asks_for_nothing(opened, width):
    page, heard = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert heard == []


@pytest.mark.parametrize("kind", ["", "small", "wide", "small worded"])
def test_no_drawing_is_wider_than_a_phone(opened, kind):
    page, _ = opened(360)
    page.evaluate(
        """kind => document.querySelectorAll(".panel").forEach(own => {
            own.className = `panel ${kind}`;
            own.style.setProperty("--width", "3.4in");
        })""",
        kind,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_no_number_is_broken_on_paper_before_words_are(opened):
    page, _ = opened(680)
    page.emulate_media(media="print")
    breaks = "kind => getComputedStyle(document.querySelector(`td${kind}`)).overflowWrap"
    assert page.evaluate(breaks, ".number") == "break-word"
    assert page.evaluate(breaks, ":not(.number)") == "anywhere"


def test_names_are_shown_as_they_are_in_tables_and_in_drawings(opened):
    page, _ = opened(1280)
    assert page.evaluate("document.scripts.length") == 0
    text = page.inner_text("main")
    for name in ("<script>alert(1)</script>", "\"quoted\" & 'single'", "$x_1$"):
        assert name in text
    drawn = page.evaluate("[...document.querySelectorAll('svg text')].map(t => t.textContent)")
    assert any("<script>alert(1)" in own for own in drawn)
    assert any("$x_1$" in own for own in drawn)


def test_all_figures_have_captions_and_all_drawings_names(opened):
    page, _ = opened(1280)
    counts = page.evaluate(
        "['figure', 'figure > figcaption', 'svg', 'svg[role=img][aria-labelledby]']"
        ".map(own => document.querySelectorAll(own).length)"
    )
    assert counts[0] == counts[1] > 0
    assert counts[2] == counts[3] > 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(own => own.id)")
    assert len(ids) == len(set(ids))


def test_dark_is_dark_and_its_text_and_drawings_are_light(opened):
    page, _ = opened(1280, "dark")
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.body).color,"
        " getComputedStyle(document.querySelector('svg text')).fill]"
    )
    paper, ink, drawn = (sum(map(int, re.findall(r"\d+", own)[:3])) for own in colours)
    assert paper < 100
    assert min(ink, drawn) > 600


def test_paper_has_pages_on_which_the_folded_settings_are_open(opened):
    page, _ = opened(1280)
    shown = "document.querySelector('details dl').checkVisibility()"
    assert not page.evaluate(shown)
    content = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 5
    page.emulate_media(media="print")
    assert page.evaluate(shown)
    assert not page.is_visible("nav")
