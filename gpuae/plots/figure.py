"""A picture as a figure of matplotlib, as a file, or as SVG for a page.

>>> from gpuae.plots import figure
>>> figure.save(picture, "weights.png")                        # doctest: +SKIP
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gpuae.errors import ConfigError, OutputError
from gpuae.pictures.picture import Picture
from gpuae.plots.required import check_matplotlib
from gpuae.storage.files.output_file import OutputFile, check_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Kinds of files, and what is left out of each, so that the same picture gives the same bytes."""


def check(path: str | Path, *, force: bool = False) -> None:
    """Refuse a file that could not be drawn or written, before anything is computed.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    OutputError
        Where the ending is of another kind, or the file exists or cannot be written.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise OutputError(
            f"{path}: pictures are PNG, SVG or PDF; end the name with .png, .svg or .pdf"
        )
    check_matplotlib()
    check_output(Path(path), force)


def draw(picture: Picture, *, theme: Literal["light", "dark"] = "light") -> Figure:
    """Draw a picture.

    Parameters
    ----------
    picture
        From `gpuae.pictures`.
    theme
        Whether it lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        As large as its content. A notebook shows it, and its `savefig` writes it; pyplot does not
        hold it open.

    Raises
    ------
    ConfigError
        Where matplotlib is missing, or there is no such theme.
    """
    check_matplotlib()
    from gpuae.plots import drawing, look

    if theme not in look.THEMES:
        raise ConfigError(f"theme: is one of {', '.join(look.THEMES)}, not {theme!r}")
    return drawing.drawn(picture, look.THEMES[theme])


def save(picture: Picture, path: str | Path, *, force: bool = False) -> None:
    """Draw a picture into a file: PNG, SVG or PDF by the ending of its name.

    Parameters
    ----------
    picture
        From `gpuae.pictures`.
    path
        Where to write it.
    force
        Whether to replace a file that exists.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    OutputError
        Where the ending is of another kind, or the file exists (without `force`) or cannot be
        written.
    """
    check(path, force=force)
    with OutputFile(Path(path), force) as temporary:
        temporary.write(memoryview(_content(picture, Path(path).suffix.lower())), 0)


def _content(picture: Picture, ending: str) -> bytes:
    from gpuae.plots import drawing, look

    figure, content = drawing.drawn(picture, look.LIGHT), BytesIO()
    if ending != ".png":
        drawing.keep_pixels(figure)
    with look.LIGHT.context():
        figure.savefig(content, format=ending[1:], metadata=ENDINGS[ending])
    return content.getvalue()


def svg(picture: Picture, prefix: str, *, worded: bool = False) -> str:
    """Return a picture as SVG to stand in a page, whose colour its text and axes take.

    Parameters
    ----------
    prefix
        Begins all ids, so that they are unique in a page: letters, digits and hyphens.
    worded
        Whether title and notes are drawn; else the page has them.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    """
    check_matplotlib()
    from gpuae.plots import inline

    return inline.svg(picture, prefix, worded=worded)
