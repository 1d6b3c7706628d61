"""A figure that is as large as what is on it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gpuae.pictures.picture import Picture
from gpuae.plots.look import DENSITY, POINTS, SMALL, Size, Theme

TITLE_SIZE = 12.0
AROUND = 3.0
"""Inches around a panel, before it is known what stands there."""
NARROWEST = 3.4
MARGIN = 0.042
LEADING = 1.5
"""From a line of words to the next, in their size."""
LINES_OF_TITLE, LINES_OF_NOTE = 2, 4
SHARP = 1.5
"""Pixels of an image that are so many wide, or one, are no blur."""
CLOSE = 0.02
"""Inches by which a panel may be too small."""


class Sheet(Figure):
    """A matplotlib figure in one look, which shows itself in a notebook.

    pyplot does not know it, so nothing has to be closed.
    """

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._panels: list[Axes] = []
        self._wanted: tuple[list[float], list[float]] = [], []
        super().__init__(layout="constrained", dpi=DENSITY)

    def draw(self, renderer: Any) -> None:
        """Draw with the settings of the look and not with those that hold now."""
        with self._theme.context():
            self._choose_interpolation()
            super().draw(renderer)

    def _choose_interpolation(self) -> None:
        """Draw pixels of images as squares, unless they are to be smaller than those there are."""
        for axes in self._panels:
            for image in axes.images:
                size = axes.get_window_extent().width / image.get_array().shape[1]  # type: ignore[union-attr]
                is_sharp = size > SHARP or abs(size - 1) < CLOSE
                if image.get_interpolation() != "none":
                    image.set_interpolation("nearest" if is_sharp else "antialiased")

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        with self._theme.context():
            self.savefig(content, format="png")
        return content.getvalue()

    def panels(self, sizes: Sequence[Size], across: int) -> tuple[list[Axes], list[Size]]:
        """Return axes for panels of at least such sizes, so many in a row, and their sizes."""
        if not sizes:
            return [], []
        across = max(1, min(across, len(sizes)))
        widths, heights = self._wanted = columns_and_rows(sizes, across)
        ratios = {"width_ratios": widths, "height_ratios": heights}
        grid = self.add_gridspec(len(heights), len(widths), **ratios)
        self.set_size_inches(sum(widths) + AROUND * len(widths), sum(heights) + AROUND)
        places = [divmod(number, across) for number in range(len(sizes))]
        self._panels = [self.add_subplot(grid[place]) for place in places]
        return self._panels, [(widths[column], heights[row]) for row, column in places]

    def fit(self, rounds: int) -> None:
        """Change the size until the panels have theirs, or so often; each time takes long."""
        if not self._panels:
            return
        for _ in range(rounds):
            self.get_layout_engine().execute(self)  # type: ignore[union-attr]
            missing = self._missing()
            width, height = self.get_size_inches()
            self.set_size_inches(max(width + missing[0], NARROWEST), height + missing[1])
            if max(map(abs, missing)) < CLOSE:
                break

    def settle(self, rooms: Sequence[Size]) -> None:
        """Let panels have these proportions, where their place is larger: after the last fit."""
        for axes, (width, height) in zip(self._panels, rooms, strict=True):
            axes.set_box_aspect(height / width)
            axes.set_anchor("NW")

    def _missing(self) -> Size:
        """Return the inches by which the panels are too small, together."""
        width, height = self.get_size_inches()
        places = [axes.get_position(original=True) for axes in self._panels]
        given = [(own.width * width, own.height * height) for own in places]
        columns, rows = columns_and_rows(given, len(self._wanted[0]))
        return sum(self._wanted[0]) - sum(columns), sum(self._wanted[1]) - sum(rows)

    def write(self, picture: Picture) -> None:
        """Put the title above, and below what a person should know."""
        width = self.get_size_inches()[0] - 2 * MARGIN
        place: dict[str, Any] = {"x": MARGIN / self.get_size_inches()[0], "ha": "left"}
        only = len(picture.panels) == 1 and picture.panels[0].title == picture.title
        title = self._theme.paragraph(picture.title, width, TITLE_SIZE, LINES_OF_TITLE)
        if title and not only:
            self.suptitle(title, fontsize=TITLE_SIZE, **place)
        notes = [self._theme.paragraph(own, width, SMALL, LINES_OF_NOTE) for own in picture.notes]
        if any(notes):
            self.supxlabel("\n".join(notes), fontsize=SMALL, alpha=0.75, **place)
        self._grow({TITLE_SIZE: [title], SMALL: notes})

    def _grow(self, words: dict[float, list[str]]) -> None:
        """Become higher by what words of several sizes take, or nothing is left for panels."""
        lines = {size: sum(own.count("\n") + 1 for own in said) for size, said in words.items()}
        points = LEADING * sum(size * count for size, count in lines.items())
        width, height = self.get_size_inches()
        self.set_size_inches(width, height + points / POINTS)


def columns_and_rows(sizes: Sequence[Size], across: int) -> tuple[list[float], list[float]]:
    """Return the widths of columns and the heights of rows that panels need."""
    widths = [max(own[0] for own in sizes[column::across]) for column in range(across)]
    starts = range(0, len(sizes), across)
    heights = [max(own[1] for own in sizes[start : start + across]) for start in starts]
    return widths, heights
