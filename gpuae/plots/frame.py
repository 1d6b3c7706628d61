"""What is around the data of a panel: its title, axes with ticks, levels, a legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gpuae.pictures import picture
from gpuae.plots.look import DASHES, LARGE, MEDIUM, SMALL, Size, Theme

LEGEND_ROOM = 1.7
"""Inches that a label of a legend takes at most."""
LINE = 0.155
"""Inches from one line of a legend to the next."""
LINES_OF_TITLE = 2
MINUS = "−"
FAINT = 0.15
"""Opacity of what should be seen last."""


def describe(axes: Axes, panel: picture.Panel, room: float, theme: Theme) -> None:
    """Write the title above a panel that is `room` inches wide."""
    title = theme.paragraph(panel.title, room, LARGE, LINES_OF_TITLE)
    if title:
        axes.set_title(title)


def label_axes(
    axes: Axes, words: picture.Axes, size: Size, theme: Theme, grid: str = "both"
) -> None:
    """Name both axes of a panel of this size in inches, make them logarithmic, draw a grid."""
    axes.set_xlabel(theme.name(words.x, size[0], MEDIUM))
    axes.set_ylabel(theme.name(words.y, size[1], MEDIUM))
    if words.log_x:
        axes.set_xscale("log", nonpositive="clip")
    if words.log_y:
        axes.set_yscale("log", nonpositive="clip")
    axes.grid(axis=grid, color=theme.ink, alpha=FAINT, linewidth=0.5)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def number_ticks(axes: Axes) -> None:
    """Label ticks in plain numbers, once it is known what the axes span."""
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() == "log":
            axis.set_major_locator(_locator(abs(np.log10(limits[1] / limits[0]))))
            axis.set_major_formatter(ticker.FuncFormatter(plain))
            axis.set_minor_locator(ticker.NullLocator())
        elif isinstance(axis.get_major_formatter(), ticker.ScalarFormatter):
            axis.set_major_formatter(Grouped(useOffset=False, useMathText=False))


class Grouped(ticker.ScalarFormatter):
    """Numbers of ticks with a comma at every thousand."""

    def __call__(self, value: float, place: int | None = None) -> str:
        """Return a number as a tick has it."""
        whole, *rest = super().__call__(value, place).split(".")
        sign, digits = (whole[:1], whole[1:]) if whole.startswith(MINUS) else ("", whole)
        grouped = f"{int(digits):,}" if digits.isdecimal() else digits
        return ".".join([sign + grouped, *rest])


def _locator(decades: float) -> ticker.Locator:
    if decades < 0.7:
        return ticker.MaxNLocator(5)
    return ticker.LogLocator(subs=(1,) if decades > 2.5 else (1, 2, 5))


def plain(value: float, _place: Any = None) -> str:
    """Return a number as ticks have it."""
    return f"{value:,g}".replace("-", MINUS)


def shown(values: NDArray[np.float64], logarithmic: bool) -> NDArray[np.float64]:
    """Return values with NaN for what an axis cannot show."""
    with np.errstate(invalid="ignore"):
        visible = np.isfinite(values) & ((values > 0) | (not logarithmic))
    return np.where(visible, values, np.nan)


def draw_levels(axes: Axes, levels: Iterable[picture.Level], words: picture.Axes, ink: str) -> Any:
    """Draw dashed lines; return them with their labels."""
    drawn = []
    for number, level in enumerate(levels):
        logarithmic = words.log_x if level.axis == "x" else words.log_y
        if np.isnan(shown(np.array([level.value]), logarithmic)[0]):
            continue
        line = axes.axvline if level.axis == "x" else axes.axhline
        dashes = DASHES[number % len(DASHES)]
        drawn.append((line(level.value, color=ink, linestyle=dashes, linewidth=1.1), level.label))
    return drawn


def draw_legend(
    axes: Axes, entries: Sequence[tuple[Any, str]], theme: Theme, at: float = 1.0
) -> None:
    """Put a legend beside the panel, of what has a label; it begins at that many widths of it."""
    named = [(own, theme.name(label, LEGEND_ROOM)) for own, label in entries]
    named = [(own, label) for own, label in named if label]
    if not named:
        return
    handles, labels = zip(*named, strict=True)
    place: dict[str, Any] = {
        "loc": "upper left",
        "bbox_to_anchor": (at, 1.0),
        "borderaxespad": 0.3,
    }
    axes.legend(handles, labels, labelspacing=0.35, handlelength=1.8, **place)


def mark_alone(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    """Return what makes points visible that no line joins to another one."""
    there = np.pad(np.isfinite(x) & np.isfinite(y), 1)
    alone = np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])
    return {"marker": "o", "markersize": 3.5, "markevery": alone.tolist()} if len(alone) else {}


def tick_whole_numbers(axes: Axes, values: Iterable[NDArray[np.float64]]) -> None:
    """Have no ticks between whole numbers, such as epochs, where all values are."""
    every = np.concatenate([np.ravel(own) for own in values])
    every = every[np.isfinite(every)]
    if axes.get_xscale() == "linear" and (every == np.round(every)).all():
        axes.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
        if every.min() == every.max():
            axes.set_xlim(every[0] - 1, every[0] + 1)


def is_seen(values: NDArray[np.float64], logarithmic: bool = False) -> bool:
    """Whether an axis can show any of the values."""
    return bool(np.isfinite(shown(values, logarithmic)).any())


def say_nothing(axes: Axes, theme: Theme) -> None:
    """Say that a panel is empty."""
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, "nothing to show", color=theme.ink, alpha=0.6, fontsize=SMALL, **place)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
