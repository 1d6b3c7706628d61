"""Pictures in a terminal: as an image where it shows images, else in characters."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import get_terminal_size

from gpuae.pictures.picture import Picture
from gpuae.plots import characters, image
from gpuae.plots.characters.canvas import check_installed
from gpuae.plots.characters.plainer import writable
from gpuae.plots.image import Images

WIDTH, HEIGHT = 80, 24
"""Where nobody says how large it is."""
TRUE_COLOURS = 2**24


@dataclass(frozen=True)
class Screen:
    """Where standard output goes to: its size in characters, how many colours, which images."""

    width: int
    height: int
    colours: int
    images: Images | None

    @classmethod
    def of_output(cls, *, only_characters: bool = False) -> Screen:
        """Find out, which may take a moment.

        Parameters
        ----------
        only_characters
            Whether the terminal is not asked for images.

        Raises
        ------
        ConfigError
            Where characters are what there is and plotext is not installed.
        """
        colours = colours_of_output()
        found = None if only_characters or not colours or not can_draw_images() else image.ask()
        if found is None:
            check_installed()
        size = get_terminal_size((WIDTH, HEIGHT))
        return cls(size.columns, size.lines, colours, found)

    def show(self, picture: Picture) -> None:
        """Draw a picture there."""
        if self.images is not None:
            self.images.show(picture, self.width, self.height)
            return
        drawn = characters.text(picture, self.width, colours=self.colours)
        sys.stdout.write(writable(drawn, sys.stdout.encoding) + "\n")


def colours_of_output() -> int:
    """Return how many colours there are: 0, 256 or 2**24.

    None where standard output is no terminal, unless FORCE_COLOR is set, or where NO_COLOR is.
    """
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return 0
    system = Console(file=sys.stdout).color_system
    return 0 if system is None else TRUE_COLOURS if system == "truecolor" else 256


def can_draw_images() -> bool:
    """Whether what draws images and what shows them is installed."""
    needed = ("matplotlib", "PIL", "textual_image", "termios")
    return all(find_spec(name) is not None for name in needed)
