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
    """Adds up squared errors, block by block, in the order of the rows."""

    def __init__(self, origin: NDArray[np.float64]) -> None:
        self._origin = origin
        self._count = 0
        self._total = np.zeros_like(origin)
        self._squares = self._error = self._scaled = self._exact = 0.0

    def add(self, rows: NDArray[np.float64], squares: NDArray[np.float64]) -> None:
        """Add rows (m, d), and sums of squares of theirs.

        These are, summed over them: errors in own units, in scaled ones, and in scaled ones of
        codes that are not rounded.
        """
        away = rows - self._origin  # sums far from 0 lose digits
        self._count += len(rows)
        self._total += away.sum(axis=0)
        self._squares += float((away**2).sum())
        self._error += float(squares[0])
        self._scaled += float(squares[1])
        self._exact += float(squares[2])

    def errors(self, *, bytes_: bool) -> Errors:
        """Return the errors; PSNR where rows are bytes."""
        mean_square = self._error / (self._count * len(self._origin))
        rmse = math.sqrt(mean_square)
        variance = self._squares - float((self._total**2).sum()) / self._count
        return Errors(
            rmse=rmse,
            explained_variance=1 - self._error / variance if variance > 0 else None,
            psnr=20 * math.log10(255 / rmse) if bytes_ and rmse else None,
            added_by_rounding=self._scaled / self._exact - 1 if self._exact else None,
        )
