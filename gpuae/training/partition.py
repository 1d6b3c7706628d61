"""Which rows are trained on and which are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.storage.rows.views import Stacked, as_array
from gpuae.training.batches import Order, split_rows


@dataclass(frozen=True)
class Partition:
    """One matrix of all rows, and the numbers of those for each purpose, ascending."""

    x: Any
    """Of shape (n, d)."""
    training: Order
    held_out: Order

    def only(self, kept: Order | None) -> Partition:
        """Return it with the rows of these numbers alone; None: all."""
        if kept is None:
            return self
        own = (np.intersect1d(rows, kept) for rows in (self.training, self.held_out))
        return Partition(self.x, *own)


def partition(x: Any, validation: Any, config: Config) -> Partition:
    """Hold out a fraction of the rows of x (n, d), or the rows of `validation` (m, d) if given.

    With several folds none is held out for good.

    Raises
    ------
    InputError
        Where `validation` has other columns than x or values that the type of x cannot hold.
    """
    if validation is None:
        fraction = 0.0 if (config.folds or 1) > 1 else config.resolved("validation")
        return Partition(x, *split_rows(len(x), fraction, config.seed))
    _check_same_kind(x, validation)
    count = len(x) + len(validation)
    return Partition(
        as_array(Stacked(x, validation), x, validation), np.arange(len(x)), np.arange(len(x), count)
    )


def _check_same_kind(x: Any, validation: Any) -> None:
    if 0 in validation.shape or validation.shape[1] != x.shape[1]:
        rows, columns = validation.shape
        raise InputError(
            f"the validation data have {rows} rows of {columns} columns and the training data "
            f"{x.shape[1]} columns; give rows of the same columns"
        )
    if x.dtype.kind != "f" and not np.can_cast(validation.dtype, x.dtype, "safe"):
        raise InputError(
            f"the validation data are {validation.dtype} and the training data {x.dtype}, which "
            "cannot hold them; save both in the same type"
        )
