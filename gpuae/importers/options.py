"""What a person may say about how a file of rows is to be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadOptions:
    """Which columns are what, how a table of text is written, and whether values may be missing."""

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
    header: bool | None = None
    """Whether the first row of a table of text names the columns; None: as it looks."""
    decimal: str = "."
    """What stands before the fraction of a number in a table of text: a point or a comma."""
    na_values: tuple[str, ...] = ()
    """Cells of a table of text that stand for missing values, beside the usual ones."""
    usual_id: str | None = None
    """Name of the column that identified rows before: taken as that if it is there."""
    usual_label: str | None = None
    """Name of the column that held the labels before: taken as that if it is there."""

    def said(self) -> dict[str, str]:
        """Return what a person has said about the rows, by the names of the options."""
        header = None if self.header is None else ("yes" if self.header else "no")
        named = {
            "columns": self.columns,
            "id_column": self.id_column,
            "label_column": self.label_column,
            "header": header,
            "decimal": None if self.decimal == "." else self.decimal,
            "na_values": ",".join(self.na_values) or None,
        }
        return {name: value for name, value in named.items() if value is not None}

    def of_text(self) -> list[str]:
        """Return the options given that only a table of text can follow."""
        given = {
            "--header" if self.header else "--no-header": self.header is not None,
            "--decimal": self.decimal != ".",
            "--na-values": bool(self.na_values),
        }
        return [option for option, was_given in given.items() if was_given]


AS_IT_IS = ReadOptions()
"""Nothing said."""
