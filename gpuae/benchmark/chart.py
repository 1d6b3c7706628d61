"""The figures as a picture, through matplotlib: rows a second by case, and of the sweep."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpuae.benchmark.line_up import OURS
from gpuae.benchmark.report import Line, Report
from gpuae.errors import ConfigError, OutputError
from gpuae.storage.files.output_file import OutputFile, check_output

ENDINGS = (".png", ".svg")
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8a5a9e")
"""Of devices and of batch sizes."""
MARKERS = "^vDsPX*"
"""Of peers."""
PEERS_BELOW = 0.13
"""In rows."""


def check_chart(path: Path, *, force: bool) -> None:
    """Refuse a chart that could not be drawn or written, before anything is measured.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    OutputError
        Where the file cannot be written, or is of an unknown kind.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"{path}: charts are PNG or SVG; end the name with .png or .svg")
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "--plot: matplotlib is not installed; `pip install 'gpuae[plot]'`, or leave --plot out"
        )
    check_output(path, force)


def write_chart(report: Report, path: Path, *, force: bool) -> None:
    """Draw a report into a file."""
    content = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    draw(report).savefig(content, format=kind, dpi=150)
    with OutputFile(path, force) as temporary:
        temporary.write(content.getbuffer(), 0)


def draw(report: Report) -> Any:
    """Return a matplotlib figure with a panel for the cases and one for the sweep."""
    figure_class: Any = import_module("matplotlib.figure").Figure
    panels = bool(report.cases) + bool(report.sweep)
    width, height = 6.4 * panels, 2.8 + 0.62 * max(len(report.cases), 4)
    figure = figure_class(figsize=(width, height), layout="constrained")
    machine = report.machine
    figure.suptitle(f"gpuae {machine['gpuae'].split(' ')[0]} on {machine['CPU']}", fontsize=10)
    axes = iter(figure.subplots(1, panels, squeeze=False)[0])
    if report.cases:
        _draw_cases(next(axes), report)
    if report.sweep:
        _draw_sweep(next(axes), report)
    return figure


def _draw_cases(axes: Any, report: Report) -> None:
    """Draw a row of points for each case and device: gpuae, its bound, and peers."""
    colours = dict(zip(report.devices, COLOURS, strict=False))
    gap = 0.76 / len(report.devices)
    for place, own in enumerate(report.cases):
        for line in own.lines:
            offset = gap * (report.devices.index(line.device) - (len(report.devices) - 1) / 2)
            _draw_line(axes, line, place + offset, colours[line.device], _markers(report))
    names = [f"{own.case.name}\n{_network(own.case.widths)}" for own in report.cases]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlabel("rows per second")
    axes.set_title("Training by case", fontsize=10)
    axes.grid(axis="x", color="0.9")
    for edge in range(1, len(names)):
        axes.axhline(edge - 0.5, color="0.8", linewidth=0.8)
    _number_ticks(axes.xaxis)
    _add_legend(axes)


def _draw_line(axes: Any, line: Line, y: float, colour: str, markers: dict[str, str]) -> None:
    x = line.rows_per_second
    if line.who != OURS:
        look = {"color": colour, "alpha": 0.5, "markersize": 5, "linestyle": "none"}
        label = f"{line.who}, {line.device}"
        axes.plot(x, y + PEERS_BELOW, marker=markers[line.who], label=label, **look)
        return
    median, low, high = line.seconds.median, line.seconds.p20, line.seconds.p80
    axes.plot([x, line.bound], [y, y], color=colour, linewidth=1, alpha=0.5)
    axes.plot([x * median / high, x * median / low], [y, y], color=colour, linewidth=3)
    axes.plot(x, y, "o", color=colour, label=f"gpuae, {line.device}")
    look = {"color": colour, "markersize": 13, "markeredgewidth": 2, "linestyle": "none"}
    axes.plot(line.bound, y, marker="|", label=f"products alone, {line.device}", **look)


def _draw_sweep(axes: Any, report: Report) -> None:
    """Draw a curve for each batch size and device."""
    batches = sorted({point.batch_size for point in report.sweep})
    for batch, colour in zip(batches, COLOURS, strict=False):
        points = [point for point in report.sweep if point.batch_size == batch]
        points.sort(key=lambda point: point.width)
        for device in report.devices:
            style = "--o" if device == "cpu" else "-s"
            axes.plot(
                [point.width for point in points],
                [point.rows_per_second[device] for point in points],
                style,
                color=colour,
                markersize=5,
                label=f"{device}, batch {batch}",
            )
    widths = sorted({point.width for point in report.sweep})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set_xlabel("width W of the hidden layer")
    axes.set_ylabel("rows per second")
    axes.set_title("Training 784-W-784, relu, bce", fontsize=10)
    axes.grid(color="0.9")
    _number_ticks(axes.yaxis)
    _add_legend(axes)


def _markers(report: Report) -> dict[str, str]:
    names = dict.fromkeys(line.who for own in report.cases for line in own.lines)
    return dict(zip((name for name in names if name != OURS), MARKERS, strict=False))


def _number_ticks(axis: Any) -> None:
    """Label 1, 2 and 5 of each decade: 20k, 50k, 100k."""
    ticker: Any = import_module("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5), numticks=99))
    axis.set_major_formatter(ticker.EngFormatter(sep=""))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_tick_params(labelsize=8)


def _add_legend(axes: Any) -> None:
    """Put a legend below the axes, each label once."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "frameon": False}
    look = {"ncols": min(3, len(unique)), "fontsize": 8, "markerscale": 0.7}
    axes.legend(unique.values(), unique, **look, **place)


def _network(widths: Sequence[int]) -> str:
    """Word the widths, of a deep autoencoder those up to the code."""
    if len(widths) == 3 or widths[0] != widths[-1]:
        return "-".join(map(str, widths))
    return "-".join(map(str, widths[: len(widths) // 2 + 1])) + "-…"
