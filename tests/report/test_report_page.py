"""The page as HTML: whole, readable aloud, with names as they are; read by a parser."""

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hostile import NAMES

from gpuae.report.build import build
from gpuae.report.page import render

VOID = {"meta", "br", "hr", "img", "use", "path", "image", "circle", "rect"}


class Read(HTMLParser):
    """Collects tags, attributes and text, and holds that all tags are closed."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self._open = [], [], []
        self.feed(content.decode())
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, *names):
        return [(tag, attributes) for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def page(usual):
    """Contents with hostile names wherever there is a name, and no pictures."""
    page = build([replace(usual, name=NAMES[0])])
    (own,) = page.models
    none = replace(own.extremes, pictures=()), replace(own.neighbours, pictures=())
    own = replace(own, pictures=(), extremes=none[0], neighbours=none[1])
    return replace(page, data=NAMES[1], models=(own,))


@pytest.fixture(scope="module")
def read(page):
    return Read(render(page))


def test_names_are_text_and_never_markup(read):
    assert read.named("script", "b") == []
    every = "".join(read.text)
    for name in (NAMES[0], NAMES[1]):
        assert name in every


def test_what_would_turn_the_text_around_it_is_written_out(page):
    content = render(page).decode()
    assert "\u202e" not in content
    assert "speed\\u202e km/h" in content


def test_headings_are_in_order_below_one_of_the_first_rank(read):
    ranks = [int(tag[1]) for tag, _ in read.named("h1", "h2", "h3", "h4")]
    assert ranks[0] == 1
    assert ranks.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(ranks))


def test_the_contents_lead_to_sections_that_are_there(read):
    targets = [a["href"][1:] for _, a in read.named("a")]
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert len(targets) == 7
    assert set(targets) <= set(ids)


def test_tables_have_captions_and_their_headers_a_scope(read):
    assert len(read.named("caption")) == len(read.named("table")) == 5
    assert {a.get("scope") for _, a in read.named("th")} == {"col", "row"}


def test_nothing_is_fetched_and_no_script_may_run(read):
    (policy,) = [a["content"] for _, a in read.named("meta") if "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not any(name in a for _, a in read.tags for name in ("src", "onload", "onclick"))
    assert read.named("link") == []
    assert read.named("html")[0][1]["lang"] == "en"


def test_the_same_contents_give_the_same_bytes(page):
    assert render(page) == render(page)


def test_verdict_and_advice_come_first(usual, spoilt):
    page = build([spoilt(usual)])
    (own,) = page.models
    bare = replace(own, pictures=(), extremes=replace(own.extremes, pictures=()))
    bare = replace(bare, neighbours=replace(bare.neighbours, pictures=()))
    text = " ".join("".join(Read(render(replace(page, models=(bare,)))).text).split())
    headline, advice = text.index("This model is bad"), text.index("What to try:")
    assert headline < advice < text.index("SHA-256" if "SHA-256" in text else "made by")
