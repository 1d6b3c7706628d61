"""`make docs`: every page has its place, what it shows is documented, and it is built strictly."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT

mkdocs = pytest.importorskip("mkdocs.config")

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def config():
    return mkdocs.load_config(str(ROOT / "mkdocs.yml"))


def pages_in(nav):
    """Return the pages that a navigation names, patterns as they stand there."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
            continue
        (value,) = entry.values()
        yield from [value] if isinstance(value, str) else pages_in(value)


def test_the_navigation_has_each_page_once(config):
    named = list(pages_in(config["nav"]))
    found = [path for name in named if "*" in name for path in DOCS.glob(name)]
    found += [DOCS / name for name in named if "*" not in name]
    expected = [path for path in DOCUMENTS if path != ROOT / "README.md"]
    assert sorted(found) == sorted([*expected, DOCS / "index.md"])


def test_the_list_of_decisions_has_each_with_its_title():
    listed = (DOCS / "decisions" / "README.md").read_text("utf-8")
    for path in sorted((DOCS / "decisions").glob("0*.md")):
        number, title = re.match(r"# (\d+)\. (.+)", path.read_text("utf-8")).groups()
        assert f"| {number} | [{title}]({path.name}) |" in listed


def test_the_reference_has_each_public_name():
    import gpuae

    pages = "".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    modules = {"plots"}
    expected = {f"gpuae.{name}" for name in gpuae.__all__ if name not in modules}
    expected |= {f"gpuae.plots.{name}" for name in gpuae.plots.__all__}
    assert expected <= shown


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site that was built."""
    folder = tmp_path_factory.mktemp("site")
    shutil.rmtree(folder)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_shows_readme_first(site):
    home = (site / "index.html").read_text("utf-8")
    assert "Train classical autoencoders on your own table of numbers" in home
    assert 'href="long-runs.html"' in home


@pytest.mark.long
def test_links_to_sources_lead_to_pages_with_their_text(site):
    page = site / "architecture.html"
    (link,) = set(re.findall(r'href="(source/[^"]*team[^"]*)"', page.read_text("utf-8")))
    assert "class Team" in re.sub(r"<[^>]*>", "", (page.parent / link).read_text("utf-8"))


@pytest.mark.long
def test_the_site_loads_nothing_from_a_network(site):
    loading = re.compile(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(https?:)?//[^"]*"')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        assert not loading.search(page.read_text("utf-8")), page


@pytest.mark.long
def test_the_search_works_on_files_without_a_server(site, browser):
    page = browser.new_page()
    page.goto(f"{(site / 'index.html').as_uri()}")
    page.locator(".md-search__input").press_sequentially("masking")
    page.locator(".md-search-result__item").first.wait_for(timeout=20_000)
    assert "masking" in page.locator(".md-search-result__list").inner_text().lower()


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["index", "settings", "reference/autoencoder", "tutorials/spectra"]
)
def test_a_page_is_no_wider_than_a_phone(site, browser, name):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((site / f"{Path(name)}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
