"""A picture as data: panels of a few kinds, which say all that is drawn and nothing of how.

matplotlib, a terminal and a page in a browser draw the same pictures. All text may come from files
of strangers: whoever draws it must show it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """A straight line across a panel, such as a threshold or what PCA comes to."""

    label: str
    value: float
    axis: Literal["x", "y"] = "y"
    """The axis on which it has its value: `y` is a horizontal line."""


@dataclass(frozen=True)
class Series:
    """Points (n,) joined by a line; NaN leaves a gap."""

    label: str
    x: Vector
    y: Vector
    kind: Literal["line", "faint", "points"] = "line"


@dataclass(frozen=True)
class Axes:
    """What the two axes of a panel show, with their units."""

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Lines:
    """Curves over a common axis."""

    title: str
    axes: Axes
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Bars:
    """A bar for each name; several values (s, n) stand side by side, each with its label."""

    title: str
    axes: Axes
    """`x` is what values mean, `y` what names are: bars lie, so that long names can be read."""
    names: tuple[str, ...]
    values: NDArray[np.float64]
    labels: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Histogram:
    """How many values lie between edges (b + 1,): counts (s, b) of s sets, each with its label."""

    title: str
    axes: Axes
    edges: Vector
    counts: NDArray[np.float64]
    labels: tuple[str, ...] = ("",)
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Points:
    """A cloud of points (n,), coloured by group or by value.

    Attributes
    ----------
    groups
        Number of the group of each point (n,), int, into `names`; None: all are alike.
    names
        Of the groups.
    values
        A number for each point (n,), drawn on a scale that `colour` names.
    """

    title: str
    axes: Axes
    x: Vector
    y: Vector
    groups: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    values: Vector | None = None
    colour: str = ""


@dataclass(frozen=True)
class Tiles:
    """Small images (n, height, width) or (n, height, width, 3) in rows of `across`.

    Attributes
    ----------
    images
        float64, from `low` (black) to `high` (white); NaN: nothing is there.
    captions
        Below each image; none at all where there are none.
    rows
        At the left of each row of images; none at all where there are none.
    scale
        What black, the middle and white stand for, in words; empty where that goes without saying.
    """

    title: str
    images: NDArray[np.float64]
    across: int
    captions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    scale: str = ""


@dataclass(frozen=True)
class Profiles:
    """Small plots (n, d) over the same columns, in rows of `across`: curves, or bars from 0.

    Attributes
    ----------
    values
        (s, n, d): s curves in each plot, each with its label.
    x
        Where each column stands (d,), of curves from left to right: wavenumbers may fall. Bars have
        one place each.
    names
        Of the columns, for bars.
    captions
        Of each plot; none at all where there are none.
    shared
        Whether all plots have the same scale of values; else each has its own.
    """

    title: str
    axes: Axes
    x: Vector
    values: NDArray[np.float64]
    across: int
    labels: tuple[str, ...] = ("",)
    captions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    bars: bool = False
    shared: bool = True


Panel: TypeAlias = Lines | Bars | Histogram | Points | Tiles | Profiles


@dataclass(frozen=True)
class Picture:
    """Panels side by side, `across` of them in a row.

    Attributes
    ----------
    description
        What is seen, in a sentence or two with the figures that matter: for those who cannot see.
    notes
        What a person should know of what is shown, such as that rows were sampled; one sentence
        each.
    """

    title: str
    panels: tuple[Panel, ...]
    description: str
    notes: tuple[str, ...] = ()
    across: int = 2


def as_json(value: Any) -> Any:
    """Return a picture, or a part of one, of lists, numbers, text and None where a number is NaN.

    Each part says its kind under `kind_of`.
    """
    if isinstance(value, np.ndarray):
        return _numbers(value)
    if isinstance(value, tuple | list):
        return [as_json(own) for own in value]
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
        return {"kind_of": type(value).__name__, **fields}
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _numbers(values: NDArray[Any]) -> Any:
    if np.isfinite(values).all():
        return values.tolist()
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]
