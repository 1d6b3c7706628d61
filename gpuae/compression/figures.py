"""What a compressed data set is worth: how small it is, and how wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Errors:
    """Of the rows that are made again, in the data's own units but for the last.

    Attributes
    ----------
    rmse
        The root of the mean, over rows and columns, of squared errors.
    explained_variance
        The share of the variance of rows and columns that is not lost; None of rows that are all
        the same.
    psnr
        Decibels of the ratio of 255 to `rmse`, of bytes; None of other types, and without error.
    added_by_rounding
        The squared error beyond that of codes that are not rounded, as a share of it, in scaled
        units; None where codes that are not rounded make no error.
    """

    rmse: float
    explained_variance: float | None
    psnr: float | None
    added_by_rounding: float | None


@dataclass(frozen=True)
class Sizes:
    """Of a data set and what became of it; sizes are in bytes.

    Attributes
    ----------
    input_file
        As it is stored; None for built-in data.
    input_rows, input_float32
        Of its rows in the type that they have, and as float32.
    codes, model
        Of the packed codes, and of the arrays of the decoder and the scaling.
    file
        Of everything, with labels and the like.
    """

    rows: int
    columns: int
    code_size: int
    input_file: int | None
    input_rows: int
    input_float32: int
    codes: int
    model: int
    file: int

    @property
    def bits_per_value(self) -> float:
        """Of the code."""
        return 8 * self.codes / (self.rows * self.code_size)

    @property
    def bits_per_cell(self) -> float:
        """Of the rows, with the decoder and all."""
        return 8 * self.file / (self.rows * self.columns)


class Sums:
    """Adds up squared errors, and what the variance follows from, block by block in their order.

    Parameters
    ----------
    origin
        A row (d,): sums of distances to it keep digits that sums far from 0 lose.
    """

    def __init__(self, origin: NDArray[np.float64]) -> None:
        self.origin = origin
        self._rows = 0
        self._away = np.zeros_like(origin)
        self._squares = np.zeros(4)

    def add(self, rows: int, away: NDArray[np.float64], squares: NDArray[np.float64]) -> None:
        """Add what blocks of so many rows in all have left behind.

        Parameters
        ----------
        away
            Sums of distances to the origin, (blocks, d).
        squares
            Sums of their squares, of the squares of errors in the data's own units and in scaled
            ones, and of errors in scaled units without rounding, (blocks, 4).
        """
        self._rows += rows
        self._away += away.sum(axis=0)
        self._squares += squares.sum(axis=0)

    def errors(self, *, bytes_: bool) -> Errors:
        """Return the errors; PSNR where rows are bytes."""
        away, own, scaled, exact = self._squares.tolist()
        rmse = math.sqrt(own / (self._rows * len(self.origin)))
        variance = away - float((self._away**2).sum()) / self._rows
        return Errors(
            rmse=rmse,
            explained_variance=1 - own / variance if variance > 0 else None,
            psnr=20 * math.log10(255 / rmse) if bytes_ and rmse else None,
            added_by_rounding=scaled / exact - 1 if exact else None,
        )
