"""The chart, where matplotlib is installed."""

import pytest

from gpuae.benchmark.chart import draw, write_chart


@pytest.fixture(autouse=True)
def _with_matplotlib():
    pytest.importorskip("matplotlib")


def test_panels_have_names_units_and_a_legend(report):
    cases, sweep = draw(report).axes
    assert cases.get_xlabel() == sweep.get_ylabel() == "rows per second"
    names = [label.get_text() for label in cases.get_yticklabels()]
    assert {"sparse\n784-200-784", "deep\n784-128-32-…"} < set(names)
    assert "classifier\n784-200-200-10" in names
    for axes, some in ((cases, "products alone, cuda:0"), (sweep, "cuda:0, batch 256")):
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert some in labels
        assert len(labels) == len(set(labels))


def test_without_a_sweep_there_is_one_panel(report):
    report.sweep.clear()
    assert len(draw(report).axes) == 1


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_a_chart_is_written(report, tmp_path, name, start):
    write_chart(report, tmp_path / name, force=False)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 1
