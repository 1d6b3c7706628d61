"""The page in a browser: what is seen of a real run, and what its buttons do."""

import csv
import re
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

from gpuae.live.run import Outcome
from gpuae.model.model import Model
from gpuae.training.history import EpochRecord

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=alert(1)>",
    "$x_1$ & \"quoted\" 'twice'",
    "right\u202eto left",
    "two\nlines",
    "n" * 200,
)
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
FIT = ("--hidden", "3", "--epochs", "1000000", "--patience", "0", "--validation", "0.1")


@pytest.fixture
def rows(low_rank, tmp_path):
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HOSTILE)
        table.writerows(low_rank(300, len(HOSTILE)).astype(np.float32).tolist())


@pytest.fixture
def see(browser):
    """A function that opens an address, on which nothing may go wrong or ask for anything."""
    opened, wrong = [], []

    def open_page(address, **options):
        page = browser.new_page(**options)
        opened.append(page)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.set_default_timeout(10_000)
        page.goto(address)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert [own for own in wrong if "ERR_" not in own] == []


@contextmanager
def running(folder, *arguments):
    """Start a fit with a page, and yield the process and the address."""
    command = [sys.executable, "-W", "error", "-m", "gpuae", "fit", *arguments, "--live"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:
        try:
            yield process, _address(process)
        finally:
            process.kill()


def _address(process):
    said = ""
    while (found := re.search(r"^watch it at (\S+)$", said, re.MULTILINE)) is None:
        line = process.stderr.readline()
        assert line, said
        said += line
    return found[1]


def epoch(page, after=0):
    """Wait for an epoch after that one and return its number."""
    for _ in range(400):
        found = page.locator("#epoch").text_content().partition(" of ")[0].replace(",", "")
        if found and int(found) > after:
            return int(found)
        page.wait_for_timeout(25)
    pytest.fail(f"no epoch after {after}")


def test_a_run_is_seen_and_stopped_with_a_model_of_what_it_has_learnt(see, rows, tmp_path):
    with running(tmp_path, "rows.csv", "-o", "m.h5", *FIT) as (process, address):
        page = see(address, viewport=DESKTOP)
        page.wait_for_selector("#curves path.series.c1")
        page.wait_for_selector("#weights .bars rect")
        page.wait_for_selector("#reconstructions .bars rect")
        names = page.locator("#weights .plot").first.locator("bdi")
        assert names.evaluate_all("all => all.map(own => own.textContent)")[1:] == list(HOSTILE)
        assert page.locator("#headline").text_content() == "Training"
        page.click("#keep")
        process.wait(20)
        page.wait_for_selector("#outcome:visible")
        said = process.stdout.read()
        told = page.locator("#outcome p").all_text_contents()
        assert told[: len(said.splitlines())] == said.splitlines()
        assert (
            "training does not see these rows"
            in page.locator("#reconstructions").text_content().lower()
        )
    assert (process.returncode, page.locator("#buttons").is_visible()) == (130, False)
    assert page.locator("#curves path.series").count() >= 2
    assert len(Model.load(tmp_path / "m.h5").history["epoch"]) >= 1


def test_a_page_may_come_and_go_and_stop_a_run_without_a_model(see, rows, tmp_path):
    with running(tmp_path, "rows.csv", "-o", "m.h5", *FIT) as (process, address):
        first = see(address)
        before = epoch(first)
        first.close()
        page = see(address, viewport=PHONE)
        assert epoch(page) >= before
        page.click("#stop")
        page.click("dialog button >> text=Go on training")
        assert epoch(page, epoch(page)) > before
        page.click("#stop")
        page.click("dialog button >> text=Keep nothing")
        process.wait(20)
        page.wait_for_selector("#outcome:visible")
        assert "no model was written" in page.locator("#outcome").text_content()
    assert (process.returncode, page.locator("#headline").text_content()) == (130, "Stopped")
    assert not (tmp_path / "m.h5").exists()


@pytest.fixture
def busy(served):
    """A run of two epochs with a note."""
    from gpuae.config import Config

    served.run.note(HOSTILE[0] + "n" * 400)
    served.run.training_starts(Config(epochs=5), 4, 100)
    for number in (1, 2):
        served.run.rows_done(number, 100)
        served.run.epoch_done(EpochRecord(number, 0.5 / number, 0.75 / number, 1e-3, 0.1))
    return served


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fits_its_window_and_can_be_read(busy, see, viewport, scheme):
    page = see(busy.server.address, viewport=viewport, color_scheme=scheme)
    page.wait_for_selector("#curves path.series")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    words = page.locator("h1, #headline, #loss, .figures span, button:visible, #lines span")
    contrasts = words.evaluate_all(CONTRASTS)
    assert len(contrasts) > 8
    assert min(contrasts) >= 4.5


CONTRASTS = """all => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => parts(text).slice(0, 3).map((own) => own / 255)
    .map((own) => (own <= 0.04045 ? own / 12.92 : ((own + 0.055) / 1.055) ** 2.4))
    .reduce((sum, own, place) => sum + own * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (own) => {
    const colour = getComputedStyle(own).backgroundColor;
    return parts(colour)[3] === 0 ? ground(own.parentElement) : colour;
  };
  return all.filter((own) => own.offsetParent).map((own) => {
    const both = [light(getComputedStyle(own).color), light(ground(own))].sort((a, b) => a - b);
    return (both[1] + 0.05) / (both[0] + 0.05);
  });
}"""


def test_the_figures_of_an_epoch_are_read_off_its_curve(busy, see):
    page = see(busy.server.address, viewport=DESKTOP)
    page.wait_for_selector("#curves path.series")
    chart = page.locator("#curves svg").first
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] - 20, "y": 100})
    assert "epoch 2: training rows 0.25, held-out rows 0.375" in chart.text_content()
    assert chart.get_attribute("aria-label").startswith("Loss. training rows: 0.5 to 0.25")


def test_curves_have_a_logarithmic_scale_where_they_can(busy, see):
    busy.run.epoch_done(EpochRecord(3, 1e-4, 1e-4, 1e-3, 0.1))
    page = see(busy.server.address, viewport=DESKTOP)
    page.wait_for_selector("#curves path.series")
    places = [_heights(page)]
    page.click("text=log scale")
    places.append(_heights(page))
    steps = [[later - own for own, later in pairwise(heights)] for heights in places]
    assert steps[0][0] > steps[0][1]
    assert steps[1][0] < steps[1][1]


def _heights(page):
    path = page.locator("#curves path.series.c0").first.get_attribute("d")
    return [float(own) for own in re.findall(r"[ML]\S+ (\S+?)(?=L|$)", path)]


def test_a_page_says_that_it_has_lost_its_server_and_finds_it_again(busy, see):
    page = see(busy.server.address)
    page.wait_for_selector("#curves path.series")
    page.context.set_offline(True)
    page.evaluate("0")
    for connection in list(busy.server._uvicorn.server_state.connections):
        busy.server._loop.result().call_soon_threadsafe(connection.transport.abort)
    page.wait_for_selector("body[data-state=lost]")
    assert page.locator("#keep").is_disabled()
    page.context.set_offline(False)
    page.wait_for_selector("body[data-state=running]")
    assert page.locator("#headline").text_content() == "Training"


def test_a_run_that_fails_says_why(busy, see):
    page = see(busy.server.address)
    page.wait_for_selector("#curves path.series")
    busy.ended = True
    busy.server.close(Outcome("Failed", ("the disk is full",), failed=True))
    page.wait_for_selector("body[data-state=failed]")
    assert page.locator("#outcome").text_content() == "the disk is full"
    assert page.locator("#curves path.series").count() > 0
