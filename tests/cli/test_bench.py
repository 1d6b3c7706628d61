"""gpuae bench: what it prints, and what it refuses before it measures anything."""

from __future__ import annotations

import json

import pytest

from gpuae.benchmark.line_up import ours, products
from gpuae.benchmark.report import Report, report_case
from gpuae.benchmark.study import cases_named
from gpuae.benchmark.sweep import Point
from gpuae.benchmark.track import Figures
from gpuae.benchmark.turns import Measured
from gpuae.cli.bench import _print

NO_GPU = "there is no NVIDIA driver (of the tests)"
NO_MATPLOTLIB = "gpuae.benchmark.chart.find_spec"


@pytest.fixture(autouse=True)
def _without_gpu(monkeypatch):
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: NO_GPU)


@pytest.fixture
def refused(gpuae, monkeypatch):
    """A function that runs the command, which has to end before it measures."""

    def call(*arguments):
        monkeypatch.setattr("gpuae.benchmark.study.measure", None)
        outcome = gpuae("bench", *arguments)
        assert outcome.code == 2
        assert outcome.out == ""
        (line,) = outcome.err.splitlines()
        return line

    return call


@pytest.mark.long
def test_a_quick_run_on_the_cpu(gpuae):
    outcome = gpuae("bench", "--case", "small", "--quick", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["devices"] == ["cpu"]
    assert found["no_gpu"] == NO_GPU
    assert list(found["cases"]) == ["small"]
    (line,) = found["cases"]["small"]["measured"]
    assert (line["who"], line["device"], line["speed_up"]) == ("gpuae", "cpu", None)
    assert line["seconds"]["p20"] <= line["seconds"]["median"] <= line["seconds"]["p80"]
    assert line["seconds"]["rounds"] == 3
    assert 1e3 < line["rows_per_second"] < 1e9
    assert 0.01 < line["share_of_bound"] < 50
    assert len(found["sweep"]) == 4
    assert all(1e2 < point["rows_per_second"]["cpu"] < 1e8 for point in found["sweep"])
    assert found["gpu_pays_from_width"] == {}


def figures(median):
    return Figures(median, 0.9 * median, 1.1 * median, 5, 1.0)


def test_the_tables_of_two_devices(capsys):
    seconds = {("cpu", 0.5): ours, ("cuda:0", 0.02): ours}
    found = {who(device): figures(median) for (device, median), who in seconds.items()}
    found |= {products(device): figures(median / 2) for device, median in seconds}
    cases = [report_case(case, Measured(found, [])) for case in cases_named(["big", "small"])]
    sweep = [
        Point(64, 32, {"cpu": 1e5, "cuda:0": 2e5}),
        Point(256, 32, {"cpu": 1e4, "cuda:0": 2e5}),
    ]
    _print(Report({}, ["cpu", "cuda:0"], "", cases, sweep))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) < 100
    assert ["big", "cuda:0", "gpuae", "20.0", "(18.0–22.0)", "1,000,000", "50%", "25.0×"] in [
        line.split() for line in out.splitlines()
    ]
    assert "batch 32: cuda:0 always pays, 2 to 20 times as fast as the CPU" in out


def test_without_a_gpu_a_line_says_why(capsys):
    _print(Report({}, ["cpu"], NO_GPU))
    assert f"no GPU was measured: {NO_GPU}" in capsys.readouterr().out


def test_a_wrong_case(refused):
    assert "small" in refused("--case", "smal")


def test_a_device_that_is_not_there(refused):
    assert NO_GPU in refused("--device", "cuda")


@pytest.mark.parametrize("device", ["numpy", "gpu", "cuda:x"])
def test_a_device_that_is_none(refused, device):
    assert f"--device {device}: " in refused("--device", device)


def test_a_chart_without_matplotlib(refused, monkeypatch):
    monkeypatch.setattr(NO_MATPLOTLIB, lambda package: None)
    assert "pip install 'gpuae[plot]'" in refused("--plot", "a.png")


def test_a_chart_that_exists(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(NO_MATPLOTLIB, lambda package: True)
    (tmp_path / "a.png").write_text("mine")
    assert "exists already" in refused("--plot", "a.png")
    assert (tmp_path / "a.png").read_text() == "mine"


def test_a_chart_of_an_unknown_kind(refused):
    assert "a.pdf" in refused("--plot", "a.pdf")
