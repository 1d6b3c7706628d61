"""What a person may say about how a file of rows is to be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadOptions:
    """Which columns are what, and whether values may be missing."""

    columns: str | None = None
    """The features, as `columns.resolve` reads them; None: every column that nothing else is."""
    id_column: str | None = None
    """Name of the column that identifies rows; of tables only."""
    label_column: str | None = None
    """Name of the column of labels; of tables only."""
    missing: bool = False
    """Whether cells may be empty; they become NaN."""
    names: tuple[str, ...] | None = None
    """Features to take by name, in this order, where the columns have names."""
    names_of: str = ""
    """What messages call whatever has these features: the model's file."""


AS_IT_IS = ReadOptions()
"""Nothing said."""
