"""Rows with columns of categories written as a table, which names the value of each row."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.outputs.table_output import TableOutput
from gpuae.storage.rows.categorical import Categorical, places, widths


class NamedRows:
    """The output of a table that is given rows of numbers (m, d), used as other outputs are.

    Of each column of categories it gets the value of the largest member, or nothing where all are
    0.

    Parameters
    ----------
    output
        Of the table, whose rows have `dtype`.
    dtype
        Fields for the numbers, then one for each column of categories.
    """

    def __init__(
        self,
        output: TableOutput,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        categorical: Categorical,
    ) -> None:
        self.shape = shape
        self.start, self.can_go_on = 0, False
        self._output, self._dtype, self._categorical = output, dtype, categorical

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._output.__exit__(*exception)

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put rows (m, d) at row `start`; several threads may, in any order."""
        own = np.empty(len(rows), self._dtype)
        names = self._dtype.names or ()
        members = places(rows.shape[1], widths(self._categorical))
        first = len(names) - len(self._categorical)
        for name, values in zip(names[:first], rows.T, strict=False):
            own[name] = values
        for name, column, place in zip(names[first:], self._categorical, members, strict=True):
            own[name] = column.likeliest(rows[:, place])
        self._output.write(start, own)
