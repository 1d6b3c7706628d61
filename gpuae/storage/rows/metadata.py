"""What is known about rows apart from their values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.rows import categorical
from gpuae.storage.rows.categorical import Categorical


@dataclass(frozen=True)
class RowMetadata:
    """Labels, identifiers, names of columns, shape of an image, categories; None: unknown."""

    y: NDArray[Any] | None = None
    """Labels (n,), numbers or strings."""
    row_id: NDArray[Any] | None = None
    """What identifies each row (n,), numbers or strings."""
    feature_names: tuple[str, ...] | None = None
    """One name a column."""
    image_shape: tuple[int, ...] | None = None
    """Shape of one row, where rows are images."""
    categorical: Categorical = ()
    """Columns of categories, whose members are the last columns of the rows."""

    @property
    def of_rows(self) -> RowMetadata:
        """Labels and identifiers alone, which a result for each row keeps."""
        return RowMetadata(self.y, self.row_id)

    def check(self, shape: tuple[int, int], source: str) -> None:
        """Refuse what does not fit rows of `shape` (n, d).

        Raises
        ------
        InputError
            Naming what has another length than the rows or columns.
        """
        rows, columns = shape
        for name, values in (("labels", self.y), ("row ids", self.row_id)):
            if values is not None and values.shape != (rows,):
                raise InputError(
                    f"{source}: has {rows} rows and {name} of shape {values.shape}; "
                    "give exactly one a row"
                )
        if self.feature_names is not None and len(self.feature_names) != columns:
            raise InputError(
                f"{source}: has {columns} columns and {len(self.feature_names)} feature "
                "names; give exactly one a column"
            )
        categorical.check(self.categorical, columns, source)
        if self.image_shape is not None and math.prod(self.image_shape) != columns:
            raise InputError(
                f"{source}: has {columns} columns, which do not make images of shape "
                f"{self.image_shape}; correct the attribute image_shape"
            )
