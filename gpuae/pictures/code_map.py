"""Rows on a map by their codes: those with like codes lie close together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import check_columns
from gpuae.errors import ConfigError, InputError
from gpuae.machine import ANY, Machine
from gpuae.model.model import Model
from gpuae.pictures.codes import codes_of
from gpuae.pictures.colouring import Colouring, colouring
from gpuae.pictures.picture import Axes, Picture, Points, Vector
from gpuae.pictures.sample import SEED, Sample
from gpuae.words import counted, percent

Code: TypeAlias = NDArray[np.float64]

METHODS = ("pca", "tsne", "umap")
MOST_ROWS = {"pca": 5000, "tsne": 2000, "umap": 5000}
"""By method: so many points can still be told apart, or are placed in seconds."""
FEWEST_ROWS = {"pca": 1, "tsne": 4, "umap": 5}
FEWEST_APPROXIMATE = 200
"""t-SNE of fewer rows is computed exactly, of which that takes no longer."""
PERPLEXITY, NEIGHBORS = 30.0, 15
"""Of t-SNE and of UMAP, their authors' defaults; less where rows are few."""


def code_map(
    model: Model,
    sample: Sample,
    *,
    colour: str | None = None,
    method: str = "pca",
    machine: Machine = ANY,
) -> Picture:
    """Show rows as points, by the first two principal components of their codes or otherwise.

    Parameters
    ----------
    colour
        What points are coloured by: `label`, the name of a column, or nothing.
    method
        `pca`; `tsne` keeps close what is close and says little of what lies far apart; `umap` does
        too, where umap-learn is installed.

    Raises
    ------
    ConfigError
        For another method, or one that is not installed.
    InputError
        Where there is nothing of that name to colour by, or there are too few rows.
    """
    check_columns(model, sample.x.shape[1])
    _check(method, len(sample.x))
    coloured = colouring(model, sample, colour)
    code = codes_of(model, sample, machine=machine)
    place = _place(code, sample, method, machine.threads)
    shown = coloured.known
    points = Points(
        place.title,
        place.axes,
        x=place.at[shown, 0],
        y=place.at[shown, 1],
        groups=coloured.groups,
        names=coloured.names,
        values=None if coloured.values is None else coloured.values[shown],
        colour=coloured.what,
    )
    notes = (*sample.notes, *place.notes, *coloured.notes)
    sentence = f"{counted(len(code), 'row')} {place.sentence}{_coloured(coloured)}."
    return Picture("Map of the codes", (points,), sentence, notes, across=1)


def _check(method: str, rows: int) -> None:
    if method not in METHODS:
        raise ConfigError(f"method: is one of {', '.join(METHODS)}, not {method[:80]!r}")
    if method == "umap" and find_spec("umap") is None:
        raise ConfigError(
            "method=umap: umap-learn is not installed; `pip install umap-learn`, or take "
            "method=tsne"
        )
    if rows < FEWEST_ROWS[method]:
        raise InputError(
            f"method={method}: places {FEWEST_ROWS[method]} rows or more, not {rows}; "
            "give more rows, or take method=pca"
        )


@dataclass(frozen=True)
class _Places:
    """Where rows lie, (m, 2), and what that means."""

    at: Code
    title: str
    axes: Axes
    sentence: str
    """Goes on after the number of rows."""
    notes: tuple[str, ...] = ()


def _place(code: Code, sample: Sample, method: str, threads: int | None) -> _Places:
    if code.shape[1] == 1:
        return _single(code, sample)
    by_components = _principal(code)
    if method == "pca" or not code.std(axis=0).any():
        return by_components
    return _NONLINEAR[method](code, threads)


def _single(code: Code, sample: Sample) -> _Places:
    """Put the only unit beside the number of the row, which shows what changes along the file."""
    at = np.column_stack([sample.numbers.astype(np.float64), code[:, 0]])
    axes = Axes("row, counted from 0", "activation of the only code unit")
    low, high = (f"{own:.4g}" for own in (code.min(), code.max()))
    sentence = f"by their number and the only code unit, which is {low} to {high}"
    return _Places(at, "The code of each row", axes, sentence)


def _principal(code: Code) -> _Places:
    """Project on the two axes of most variance; the largest entry of each axis is positive."""
    centred = code - code.mean(axis=0)
    squares, axes = _leading(centred)
    largest = np.argmax(np.abs(axes), axis=0)
    axes = axes * np.where(axes[largest, np.arange(2)] < 0, -1.0, 1.0)
    total = float((centred**2).sum())
    first, second = (percent(own / total if total else 0.0) for own in squares)
    word = "component: {} of the variance"
    notes = () if total else ("all these rows have the same code",)
    return _Places(
        centred @ axes,
        "Principal components of the codes",
        Axes(f"first {word.format(first)}", f"second {word.format(second)}"),
        f"by the first two principal components of their codes, {first} and {second} of the "
        "codes' variance",
        notes,
    )


def _leading(centred: Code) -> tuple[Vector, Code]:
    """Return the sums of squares along two axes (2,), and the axes (k, 2); 0 where none is left.

    By the smaller of the two matrices of products: a thousand units take a tenth of a second.
    """
    from scipy.linalg import eigh

    rows, units = centred.shape
    count = min(rows, units)
    by_rows = rows < units
    products = centred @ centred.T if by_rows else centred.T @ centred
    squares, found = eigh(products, subset_by_index=[max(0, count - 2), count - 1])
    some = squares > count * np.finfo(float).eps * squares[-1]
    squares, found = squares[some][::-1], found[:, some][:, ::-1]
    axes, along = np.zeros((units, 2)), np.zeros(2)
    along[: len(squares)] = squares
    axes[:, : len(squares)] = centred.T @ found / np.sqrt(squares) if by_rows else found
    return along, axes


def _tsne(code: Code, threads: int | None) -> _Places:
    """Source: L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", 2008."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(code) - 1) / 3)
    kind = "exact" if len(code) < FEWEST_APPROXIMATE else "barnes_hut"
    model: Any = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED, method=kind)
    with threadpool_limits(threads or 1):  # its threads wait busily for one another
        at = model.fit_transform(code)
    return _Places(
        np.asarray(at, np.float64),
        f"t-SNE of the codes, perplexity {perplexity:.3g}",
        Axes("t-SNE 1, without a unit", "t-SNE 2, without a unit"),
        f"by t-SNE of their codes with perplexity {perplexity:.3g}",
        (f"t-SNE keeps neighbours; distances between groups mean little (seed {SEED})",),
    )


def _umap(code: Code, threads: int | None) -> _Places:
    """Source: L. McInnes, J. Healy, J. Melville, "UMAP", 2018."""
    import umap

    del threads  # with a seed it has one
    neighbors = min(NEIGHBORS, len(code) - 1)
    model: Any = umap.UMAP(n_neighbors=neighbors, random_state=SEED, n_jobs=1, init="pca")
    return _Places(
        np.asarray(model.fit_transform(code), np.float64),
        f"UMAP of the codes, {neighbors} neighbours",
        Axes("UMAP 1, without a unit", "UMAP 2, without a unit"),
        f"by UMAP of their codes with {neighbors} neighbours",
        (f"UMAP keeps neighbours; distances between groups mean little (seed {SEED})",),
    )


_NONLINEAR: dict[str, Callable[[Code, int | None], _Places]] = {"tsne": _tsne, "umap": _umap}


def _coloured(own: Colouring) -> str:
    """Return what the colours say, with its figures."""
    if own.groups is not None:
        sizes = np.bincount(own.groups, minlength=len(own.names))
        shown = ", ".join(f"{name}: {size:,}" for name, size in zip(own.names, sizes, strict=True))
        return f"; by colour {own.what} ({shown})"
    if own.values is None:
        return ""
    low, high = np.nanmin(own.values), np.nanmax(own.values)
    return f"; by colour {own.what}, from {low:.4g} to {high:.4g}"
