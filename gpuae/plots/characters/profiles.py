"""Small plots over the same columns: curves, or bars with names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Profiles
from gpuae.plots.characters.bars import block, extent, legend, rest
from gpuae.plots.characters.canvas import Mark, draw, thinned
from gpuae.plots.characters.charts import SAMPLE, distinct
from gpuae.plots.characters.space import Space, beside, cut, flowing, wrapped
from gpuae.plots.characters.ticks import spread

CURVE_WIDTH, CURVE_HEIGHT = 24, 4
"""Of a plot at least, in columns; and in lines."""
BAR_WIDTH = 38
GAP = 2


def profiles(panel: Profiles, space: Space) -> list[str]:
    """Draw as many plots as fit."""
    count = panel.values.shape[1]
    least = BAR_WIDTH if panel.bars else CURVE_WIDTH
    per_line = max(1, min((space.width + GAP) // (least + GAP), count))
    own = replace(space, width=min((space.width + GAP) // per_line - GAP, 2 * least))
    plots = [_plot(panel, 0, own)] if count else []
    size = len(plots[0]) + 1 if plots else 1
    shown = min(count, per_line * max(1, space.height // size))
    plots += [_plot(panel, number, own) for number in range(1, shown)]
    rows = [plots[start : start + per_line] for start in range(0, shown, per_line)]
    drawn = [line for row in rows for line in (*beside(row, own.width, GAP), "")]
    return [*_legend(panel, space), *drawn, *_axes(panel, space), *rest(shown, count, space)]


def _plot(panel: Profiles, number: int, space: Space) -> list[str]:
    """Draw one, with its caption above."""
    values = panel.values[:, number]
    scaled = panel.values if panel.shared else values
    low, high = extent(scaled) if panel.bars else spread(scaled)
    caption = panel.captions[number] if panel.captions else ""
    if not panel.shared and not panel.bars:
        caption = f"{caption} [{low:.3g}, {high:.3g}]".strip()
    head = [cut(caption, space.width)] if caption else []
    if panel.bars:
        return [*head, *block(panel.names, values, low, high, space)]
    return [*head, *_curves(panel.x, values, (low, high), space)]


def _curves(
    x: NDArray[np.float64], values: NDArray[np.float64], y: tuple[float, float], space: Space
) -> list[str]:
    x = x if x[0] <= x[-1] else -x
    marks = [
        Mark(*thinned(x, own, 2 * space.width), colour, glyph)
        for own, (glyph, colour) in zip(values, distinct(len(values), space), strict=True)
    ]
    return draw(marks, replace(space, height=CURVE_HEIGHT), spread(x), y)


def _legend(panel: Profiles, space: Space) -> list[str]:
    if panel.bars:
        return legend(panel.labels, space)
    if len(panel.labels) < 2:
        return [cut(label, space.width) for label in panel.labels if label]
    looks = distinct(len(panel.labels), space)
    return flowing(
        (
            f"{space.paint(SAMPLE.get(glyph, glyph), colour)} {cut(label, space.width - 3)}"
            for label, (glyph, colour) in zip(panel.labels, looks, strict=True)
        ),
        space.width,
    )


def _axes(panel: Profiles, space: Space) -> list[str]:
    """Say what the two axes show, and from where to where."""
    if panel.bars:
        words = [panel.axes.y or panel.axes.x]
    else:
        words = [_range(panel.axes.x, panel.x[0], panel.x[-1], "across")]
        if panel.shared:
            words.append(_range(panel.axes.y, *spread(panel.values), "up"))
        elif panel.axes.y:
            words.append(f"up: {panel.axes.y}, each on its own scale")
    return wrapped("; ".join(word for word in words if word), space.width)


def _range(what: str, low: float, high: float, where: str) -> str:
    return f"{where}: {what + ' ' if what else ''}from {low:.4g} to {high:.4g}"
