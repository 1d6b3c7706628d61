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

    def said(self) -> dict[str, str]:
        """Return what a person has said about columns, by the names of the options."""
        named = {
            "columns": self.columns,
            "id_column": self.id_column,
            "label_column": self.label_column,
        }
        return {name: value for name, value in named.items() if value is not None}


AS_IT_IS = ReadOptions()
"""Nothing said."""
