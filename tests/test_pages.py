"""README.md and docs/ are short lines, README.md a short page, and their links lead somewhere."""

import re

import pytest
from documents import DOCUMENTS, PAGES, ROOT, anchors, target

LINK = re.compile(r"\]\(([^)\s]+)\)")
README = PAGES[0].read_text("utf-8")
WIDEST = 100


def page_name(page):
    return str(page.relative_to(ROOT))


def has_to_be_long(line):
    """Say whether a line is of a table, or a single word such as an address."""
    return line.startswith("|") or len(line.split()) == 1


def test_readme_is_read_in_a_few_minutes():
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("page", DOCUMENTS, ids=page_name)
def test_lines_are_no_wider_than_code(page):
    lines = enumerate(page.read_text("utf-8").splitlines(), 1)
    wide = [number for number, line in lines if len(line) > WIDEST and not has_to_be_long(line)]
    assert not wide


@pytest.mark.parametrize("page", DOCUMENTS, ids=page_name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        found = target(page, path) if path else page
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


def test_readme_ends_with_a_line_for_each_page():
    index = README.partition("## Where to read on\n")[2]
    for page in PAGES[1:]:
        assert len(re.findall(rf"\(docs/{re.escape(page.name)}\)", index)) == 1, page.name
