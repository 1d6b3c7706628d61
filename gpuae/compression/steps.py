"""How finely each unit of a code is rounded, for a number of bits or for an error.

Rounding a unit to multiples of a step Δ adds Δ²/12 to the variance of that unit, and s²Δ²/12 to the
squared error of a rebuilt row, where s is how much the row moves with the unit. For a given number
of bits that error is least where all units add the same, so a unit's step is c/s, with one c for
all. (A. Gersho, R. Gray, "Vector Quantization and Signal Compression", 1992, section 8.3: the
optimal bit allocation at high resolution.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.encoding import BLOCK_ROWS, check_rebuilds, decode, encode, into
from gpuae.errors import InputError
from gpuae.machine import ANY, Machine
from gpuae.model.missing import filled
from gpuae.model.model import Model
from gpuae.storage.kinds.compressed_file import Grid
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import release_pages

Codes = NDArray[np.float64]

LOWEST_BITS, HIGHEST_BITS = 1.0, 16.0
MEASURED_BITS = 5.0
"""Entropy is measured up to here; each further bit is half the step. More needs larger samples."""
SAMPLE_VALUES, FEWEST_SAMPLED, MOST_SAMPLED = 1 << 20, 1024, 16384
"""Of codes, and rows, from which steps are chosen."""
SAMPLE_PIECES = 64
"""The sample is so many runs of rows, evenly spread."""
MOVED_VALUES, FEWEST_MOVED, MOST_MOVED = 1 << 16, 16, 256
"""Of codes, and rows, that are moved to see how rebuilt rows move."""
MOVED_BY = 0.25
"""Of a unit's deviation."""
LEAST_SHARE = 1e-6
"""A unit moves rows by at least so much of what the strongest does, for steps to be finite."""
COUNTED_SHARE = 1e-3
"""Units that move rows by less than this share of what the strongest does take no part in a mean of
bits: dead ones, and those that the decoder has no use for."""
COARSEST, HALVINGS = 5, 40
"""Powers of two above the deviation at which the search for a scale begins; its length."""
ROOM = 4
"""Codes may lie so many times as far from their median as in the sample, and int16 holds them."""


@dataclass(frozen=True)
class Sample:
    """Some rows, evenly spread, and their codes.

    Attributes
    ----------
    rows
        As they are, with missing values filled, (m, d).
    codes
        (m, k).
    """

    rows: NDArray[Any]
    codes: Codes

    @classmethod
    def of(cls, model: Model, x: AnyRows, machine: Machine = ANY) -> Sample:
        """Take a sample of x (n, d) and encode it.

        Raises
        ------
        InputError
            For models from whose codes alone no rows can be made: classifiers, and of counts.
        """
        check_rebuilds(model)
        if model.preprocess.total is not None:
            raise InputError(
                "compress: a code says nothing of a row's total, by which this model divides "
                "counts (scale=log1p); train a model with another scale"
            )
        code_size = model.network.code_size
        wanted = min(MOST_SAMPLED, max(FEWEST_SAMPLED, SAMPLE_VALUES // code_size))
        rows = _spread(filled(x, model.preprocess.fill), wanted)
        codes = np.empty((len(rows), code_size))
        encode(model, rows, into(codes), machine=machine)
        return cls(rows, codes)


def _spread(x: AnyRows, wanted: int) -> NDArray[Any]:
    """Return some `wanted` rows in runs that are evenly spread; all where there are no more."""
    if len(x) <= wanted:
        return np.asarray(x[0 : len(x)])
    length = wanted // SAMPLE_PIECES
    starts = np.linspace(0, len(x) - length, SAMPLE_PIECES).astype(int).tolist()
    taken = np.concatenate([x[start : start + length] for start in starts])
    if isinstance(x, np.ndarray):
        release_pages(x)
    return taken


@dataclass(frozen=True)
class Steps:
    """What the steps of all units follow from.

    Attributes
    ----------
    weights
        How much a rebuilt row moves with each unit, in scaled units of the data, (k,).
    codes
        Of a sample, each column sorted, (m, k).
    """

    weights: NDArray[np.float64]
    codes: Codes

    @classmethod
    def of(cls, model: Model, sample: Sample, machine: Machine = ANY) -> Steps:
        """Find out what the units of a model's code count."""
        return cls(_weights(model, sample.codes, machine), np.sort(sample.codes, axis=0))

    def grid(self, bits: float) -> Grid:
        """Return the steps that leave about so many bits to a value, on average."""
        measured = min(bits, MEASURED_BITS)
        scales = self.weights * self.codes.std(axis=0)
        counted = scales >= COUNTED_SHARE * scales.max()
        finest, coarsest = _limits(scales[counted], measured)
        for _ in range(HALVINGS):
            middle = (finest + coarsest) / 2
            if self._entropy(counted, 2.0**middle) > measured:
                finest = middle
            else:
                coarsest = middle
        step = 2.0 ** (coarsest - (bits - measured)) / self.weights
        return Grid(step, self._first(step))

    def _entropy(self, counted: NDArray[np.bool_], scale: float) -> float:
        """Return the mean entropy, in bits, of units that are rounded by scale/weight."""
        levels = np.rint(self.codes[:, counted] * (self.weights[counted] / scale))
        return float(entropies(levels).mean())

    def level_type(self, grid: Grid) -> np.dtype[Any]:
        """Return a type for the levels of rows like the sample, and of some beyond."""
        ends = np.stack([self.codes[0], self.codes[-1]]) / grid.step
        reach = np.abs(ends - np.median(self.codes, axis=0) / grid.step).max()
        return np.dtype("int16" if ROOM * reach < np.iinfo(np.int16).max else "int32")

    def _first(self, step: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the first multiple so that the median has the middle one of all low bytes.

        High bytes are then zero where the levels are few, and cost nothing.
        """
        middle = np.rint(np.median(self.codes, axis=0) / step).astype(np.int64)
        grid = Grid(step, middle)
        half = 1 << (7 if self.level_type(grid) == np.int16 else 15)
        return middle - half


def _limits(scales: NDArray[np.float64], bits: float) -> tuple[float, float]:
    """Return logarithms of the scales between which the one for so many bits is looked for.

    At the finest one normally distributed units have at least two bits more. A code that is mostly
    zeros, or of few rows, has fewer however finely it is rounded.

    Parameters
    ----------
    scales
        How far rebuilt rows move with the units as these vary.
    """
    if not scales.any():
        return 0.0, 0.0
    return float(np.log2(scales).mean()) - bits, float(np.log2(scales.max())) + COARSEST


def _weights(model: Model, codes: Codes, machine: Machine) -> NDArray[np.float64]:
    """Return how far rebuilt rows move with each unit, (k,): the root of the mean square, summed.

    In scaled units, where each column counts as the scaling of the model says.
    """
    rows = min(MOST_MOVED, max(FEWEST_MOVED, MOVED_VALUES // codes.shape[1]), len(codes))
    base = codes[:: len(codes) // rows][:rows]
    deviations = codes.std(axis=0)
    typical = float(np.median(deviations[deviations > 0])) if deviations.any() else 1.0
    by = MOVED_BY * np.where(deviations > 0, deviations, typical)
    rebuilt = scaled_rows(model, base, machine)
    found = np.empty(codes.shape[1])
    at_once = max(1, 16 * BLOCK_ROWS // rows)
    for first in range(0, len(found), at_once):
        units = np.arange(first, min(first + at_once, len(found)))
        moved = np.tile(base, (len(units), 1, 1))
        moved[np.arange(len(units)), :, units] += by[units, None]
        after = scaled_rows(model, moved.reshape(-1, codes.shape[1]), machine)
        squares = (after.reshape(len(units), rows, -1) - rebuilt) ** 2
        found[units] = np.sqrt(squares.sum(axis=2).mean(axis=1)) / by[units]
    strongest = float(found.max()) or 1.0
    return np.maximum(found, LEAST_SHARE * strongest)


def scaled_rows(model: Model, codes: Codes, machine: Machine = ANY) -> NDArray[np.float64]:
    """Return what codes (m, k) decode to, in scaled units (m, d)."""
    rows = np.empty((len(codes), model.network.columns))
    decode(model, codes.astype(model.config.dtype), into(rows), machine=machine)
    return np.asarray((rows - model.preprocess.center) * model.preprocess.factor)


def entropies(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the entropy in bits of each column of values (m, k) that are sorted."""
    rows, columns = values.shape
    flat = values.T.reshape(-1)
    new = np.ones(len(flat), np.bool_)
    new[1:] = flat[1:] != flat[:-1]
    new[::rows] = True
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(flat)))
    sums = np.bincount(starts // rows, counts * np.log2(counts), columns)
    return np.asarray(np.log2(rows) - sums / rows)


def levels_of(grid: Grid, codes: NDArray[Any], dtype: np.dtype[Any], start: int) -> NDArray[Any]:
    """Return the levels (m, k) of codes.

    Raises
    ------
    InputError
        For a code that lies beyond what the levels hold; the rows begin with the row `start`.
    """
    levels = np.rint(codes / grid.step) - grid.first
    limits = np.iinfo(dtype)
    beyond = ((levels < limits.min) | (levels > limits.max)).any(axis=1)
    if beyond.any():
        row = start + int(np.argmax(beyond))
        raise InputError(
            f"row {row + 1} (counted from 1) has a code far beyond those of the other rows, which "
            "so many bits cannot hold; check its values, or give fewer --bits"
        )
    return levels.astype(dtype)


def bits_for_error(
    model: Model, sample: Sample, steps: Steps, added: float, machine: Machine = ANY
) -> float:
    """Return how many bits let rounding add at most a share of the model's own squared error."""
    scaling = model.preprocess
    rows = (sample.rows.astype(np.float64) - scaling.center) * scaling.factor

    def error(codes: Codes) -> float:
        return float(((scaled_rows(model, codes, machine) - rows) ** 2).mean())

    exact = error(sample.codes)

    def is_fine(bits: float) -> bool:
        step = steps.grid(bits).step
        return error(np.rint(sample.codes / step) * step) <= exact * (1 + added)

    low, high = LOWEST_BITS, HIGHEST_BITS
    while high - low > 0.05:
        middle = (low + high) / 2
        low, high = (low, middle) if is_fine(middle) else (middle, high)
    return high
