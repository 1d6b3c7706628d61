"""Rows with codes nearest to those of some rows: whether what the model makes alike is alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.neighbors import Neighbors, nearest
from gpuae.pictures.geometry import Floats, Geometry, span_of
from gpuae.pictures.picture import Panel, Picture
from gpuae.pictures.sample import Sample
from gpuae.report.contents import Part, Shown, Table
from gpuae.report.subject import Subject
from gpuae.report.words import isolated

ASKED, NEAREST = 6, 4
NEAREST_AS_BARS = 2
"""More bars side by side cannot be told apart."""
COUNTED_ROWS = 1000
"""So many rows tell how often the nearest one has the same label."""
FEWEST_OF_A_LABEL = 5
"""Rows of a label, on average: else labels are no classes."""
_PLACES = ("nearest", "second", "third", "fourth")


def neighbours(subject: Subject, sample: Sample) -> Part:
    """Show the nearest neighbours, by code, of some rows that lie evenly in the sample."""
    if len(sample.x) < 2:
        return Part(("There is a single row, which has no neighbours.",))
    codes = np.empty((len(sample.x), subject.model.network.code_size), np.float32)
    sink = encoding.in_float32(encoding.into(codes))
    encoding.encode(subject.model, sample.x, sink, machine=subject.machine)
    asked = _evenly(len(codes), ASKED)
    found = nearest(codes, codes[asked], min(NEAREST, len(codes) - 1), own=asked)
    picture = _picture(subject, sample, asked, found)
    how = "Each row of the data beside those whose codes lie nearest to its own."
    text = (_agreement(sample, codes), *sample.notes)
    shown = Shown("Nearest neighbours", how, picture)
    return Part(tuple(part for part in text if part), (shown,), _table(sample, asked, found))


def _evenly(rows: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.int64))


def _picture(
    subject: Subject, sample: Sample, asked: NDArray[np.int64], found: Neighbors
) -> Picture:
    geometry = Geometry.of(subject.model)
    near = found.numbers.T
    rows = [asked, *(near[:NEAREST_AS_BARS] if geometry.kind == "bars" else near)]
    shown: list[Floats] = [geometry.shown(sample.x[own]) for own in rows]
    names = np.array(sample.names())
    labels = ("row", *_PLACES[: len(rows) - 1])
    panel: Panel
    if geometry.kind == "images":
        captions = tuple(str(name) for own in rows for name in names[own])
        panel = geometry.tiles(
            "Rows and their neighbours",
            shown,
            span=span_of(np.stack(shown)),
            labels=labels,
            captions=captions,
        )
    else:
        captions = tuple(map(str, names[asked]))
        panel = geometry.profiles(
            "Rows and their neighbours",
            shown,
            values=geometry.units,
            labels=labels,
            captions=captions,
            across=min(3, len(asked)),
        )
    distance = float(np.median(found.distances[:, 0]))
    description = (
        f"{len(asked)} rows, each with the {len(rows) - 1} whose codes are nearest to its own; "
        f"the middle distance to the nearest is {distance:.4g}."
    )
    return Picture("Nearest neighbours by code", (panel,), description, across=1)


def _table(sample: Sample, asked: NDArray[np.int64], found: Neighbors) -> Table:
    names = sample.names()
    rows = tuple(
        (
            names[row],
            *(f"{isolated(names[near])}, {far:#.3g}" for near, far in zip(*own, strict=True)),
        )
        for row, *own in zip(asked, found.numbers, found.distances, strict=True)
    )
    head = ("row", *_PLACES[: found.numbers.shape[1]])
    every = frozenset(range(1, len(head)))
    return Table("Nearest neighbours, with distances between codes", head, rows, text=every)


def _agreement(sample: Sample, codes: NDArray[np.float32]) -> str:
    """Say how often the nearest row has the same label, where labels are classes."""
    if sample.y is None:
        return ""
    _, numbers, sizes = np.unique(sample.y, return_inverse=True, return_counts=True)
    if len(sizes) < 2 or len(sample.y) < FEWEST_OF_A_LABEL * len(sizes):
        return ""
    asked = _evenly(len(codes), COUNTED_ROWS)
    found = nearest(codes, codes[asked], 1, own=asked)
    same = float((numbers[found.numbers[:, 0]] == numbers[asked]).mean())
    chance = float(((sizes / sizes.sum()) ** 2).sum())
    return (
        f"Of {len(asked):,} rows {same:.1%} have a nearest neighbour with their own label; by "
        f"chance it would be {chance:.1%}."
    )
