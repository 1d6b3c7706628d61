"""What a page says in HTML: one file that needs neither network nor script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module, resources
from importlib.util import find_spec
from typing import Any

from gpuae.errors import ConfigError
from gpuae.pictures.picture import Picture
from gpuae.report.contents import ModelReport, Page, Shown
from gpuae.report.words import visible

NEEDED = ("jinja2", "matplotlib")
NARROW = 5.6
"""Inches of a drawing of which two have room side by side,"""
SMALL = 3.5
"""and of one that others have room beside."""


def check_installed() -> None:
    """Refuse to begin where something is missing that makes pages.

    Raises
    ------
    ConfigError
        Naming it, and how to install it.
    """
    for name in NEEDED:
        if find_spec(name) is None:
            raise ConfigError(
                f"report: {name} is not installed; `pip install 'gpuae[report]'` installs it"
            )


def render(page: Page) -> bytes:
    """Return the file."""
    jinja: Any = import_module("jinja2")
    markup: Any = import_module("markupsafe").Markup
    sources = {name: _resource(name) for name in ("page.html", "parts.html", "page.css")}
    environment = jinja.Environment(
        loader=jinja.DictLoader(sources),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    draw = _Drawing()
    environment.globals["draw"] = lambda picture: markup(draw(picture))
    environment.globals["width_of"] = width_of
    environment.globals.update(narrow=NARROW, small=SMALL)
    environment.globals["panels"] = panels
    environment.globals["style"] = markup(sources["page.css"])
    beside = side_by_side(page.models) if page.comparison else ()
    text: str = environment.get_template("page.html").render(page=page, beside=beside)
    return text.encode("utf-8", "replace")


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def panels(picture: Picture) -> list[Picture]:
    """Return a picture for each panel, which a page arranges as it has room; it has all words."""
    return [
        replace(
            picture,
            panels=(panel,),
            title=panel.title or picture.title,
            description="Described below.",
            notes=(),
        )
        for panel in picture.panels
    ]


def side_by_side(models: Sequence[ModelReport]) -> list[tuple[str, str, list[tuple[str, Shown]]]]:
    """Return the pictures of all models by heading: it, how to read them, all with their models."""
    shown = [(model.name, own) for model in models for own in model.pictures]
    how = {own.heading: own.how for _, own in reversed(shown) if own.picture is not None}
    order = dict.fromkeys(own.heading for _, own in shown)
    return [
        (heading, how.get(heading, ""), [own for own in shown if own[1].heading == heading])
        for heading in order
    ]


def width_of(svg: str) -> float:
    """Return how wide a drawing is by itself, in inches."""
    found = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)
    return float(found[1]) / 72 if found else NARROW


class _Drawing:
    """Draws pictures, each with ids of its own."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, picture: Picture) -> str:
        """Return it as SVG."""
        from gpuae.plots.figure import svg

        self._count += 1
        return svg(picture, prefix=f"p{self._count}")
