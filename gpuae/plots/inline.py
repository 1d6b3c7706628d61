"""SVG that stands in a page among others: right on light and dark, and readable aloud."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from xml.etree import ElementTree as Tree

from gpuae.pictures.picture import Picture
from gpuae.plots import drawing, text
from gpuae.plots.look import Theme

INK = "#010203"
"""Colour of nothing else, which becomes the page's own."""
PAGE = Theme(INK, "none", has_fonts=True)
SPACE = "http://www.w3.org/2000/svg"
FAMILIES = "'DejaVu Sans', Verdana, sans-serif"
"""The second has the widths of the first, in which places were measured."""
DECIMALS = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"#([\w-]+)")


def svg(picture: Picture, prefix: str, *, worded: bool) -> str:
    """Return a picture as an element `svg` without anything from elsewhere."""
    root = Tree.fromstring(_drawn(picture, worded=worded))
    for parent in list(root.iter()):
        for child in list(parent):
            if _name(child) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _restyle(element)
        _rename(element, prefix)
        _shorten(element)
    _forget_unused(root)
    _describe(root, picture, prefix)
    return Tree.tostring(root, encoding="unicode")


def _drawn(picture: Picture, *, worded: bool) -> bytes:
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        sheet = drawing.drawn(picture, PAGE, worded=worded)
        drawing.keep_pixels(sheet)
        with PAGE.context():
            sheet.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _name(element: Tree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _rename(element: Tree.Element, prefix: str) -> None:
    """Take names of namespaces away, which HTML has not, and give all ids a prefix."""
    element.tag = _name(element)
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        own = re.sub(r"url\(#", f"url(#{prefix}-", value)
        short = name.rpartition("}")[2]
        if short == "id":
            own = f"{prefix}-{value}"
        if short == "href" and value.startswith("#"):
            own = f"#{prefix}-{value[1:]}"
        element.set(short, own)


def _restyle(element: Tree.Element) -> None:
    """Let ink be the page's colour, and text be of a font that is there."""
    given = element.get("style")
    if given is None:
        return
    own = given.replace(INK, "currentColor")
    own = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", own)
    own = re.sub(r"font-family:[^;]*;?\s*", "", own)
    element.set("style", own)


def _shorten(element: Tree.Element) -> None:
    """Leave out what cannot be seen: blanks between elements, and thousandths of a point."""
    for name in ("d", "x", "y", "width", "height"):
        if name in element.attrib:
            element.set(name, DECIMALS.sub(_rounded, element.attrib[name]).strip())
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    element.tail = None
    if element.tag != "text":
        element.text = None


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _forget_unused(root: Tree.Element) -> None:
    """Take away the ids that nothing in the picture refers to."""
    values = " ".join(value for element in root.iter() for value in element.attrib.values())
    used = set(REFERENCE.findall(values))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)


def _describe(root: Tree.Element, picture: Picture, prefix: str) -> None:
    """Say what is seen, to who cannot see it."""
    root.attrib.pop("version", None)
    root.set("xmlns", SPACE)
    root.set("role", "img")
    root.set("font-family", FAMILIES)
    root.set("stroke-linejoin", "round")
    root.set("style", "max-width: 100%; height: auto")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-description")
    parts = (("title", "title", picture.title), ("desc", "description", picture.description))
    for place, (tag, name, words) in enumerate(parts):
        element = Tree.Element(tag, {"id": f"{prefix}-{name}"})
        element.text = text.one_line(words)
        root.insert(place, element)
