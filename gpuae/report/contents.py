"""What a page says, as text and numbers, before it has a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpuae.pictures.picture import Picture

Grade: TypeAlias = Literal["good", "fair", "poor", "bad", "unknown"]


@dataclass(frozen=True)
class Table:
    """Cells as text; the first one of each row names what the others are of."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()
    """Cells (row, column) that are the best of their row."""
    text: frozenset[int] = frozenset()
    """Columns of words; all but these and the first are of numbers."""


@dataclass(frozen=True)
class Finding:
    """How good a model is, in words.

    Attributes
    ----------
    headline
        In half a sentence.
    sentence
        With the figures.
    advice
        What to try, as a sentence; None where it is good enough.
    remarks
        What else a person should know before trusting the figures, a sentence each.
    """

    grade: Grade
    headline: str
    sentence: str
    advice: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A setting, its value, and what it is for."""

    name: str
    value: str
    about: str


@dataclass(frozen=True)
class Settings:
    """Settings of one training: those that differ from the defaults, and the others."""

    title: str
    told: tuple[Setting, ...]
    default: tuple[Setting, ...]


@dataclass(frozen=True)
class Shown:
    """A picture with its heading and a line on how to read it, or on why there is none."""

    heading: str
    how: str
    picture: Picture | None


@dataclass(frozen=True)
class Part:
    """Something that rows are listed under: pictures, a table, and a sentence before them."""

    text: tuple[str, ...] = ()
    pictures: tuple[Shown, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Link:
    """A file and what it was made from."""

    text: str
    sources: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, and the commands that make it again.

    Attributes
    ----------
    gaps
        What the commands cannot say, a sentence each.
    """

    chain: Link
    commands: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True)
class ModelReport:
    """What is said of one model."""

    name: str
    finding: Finding
    facts: tuple[tuple[str, str], ...]
    layers: Table
    settings: tuple[Settings, ...]
    pictures: tuple[Shown, ...]
    figures: tuple[Table, ...]
    extremes: Part
    outliers: Part
    neighbours: Part
    origin: Origin


@dataclass(frozen=True)
class Comparison:
    """Several models side by side; a column for each."""

    figures: Table
    settings: Table


@dataclass(frozen=True)
class Page:
    """All of it.

    Attributes
    ----------
    data
        What the rows are called, and how many there are.
    """

    title: str
    data: str
    models: tuple[ModelReport, ...]
    comparison: Comparison | None = None
    made_by: str = ""
