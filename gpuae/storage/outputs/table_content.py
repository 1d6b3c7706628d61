"""What a table holds, whether it is csv or parquet, and what its writer has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.outputs.late_hashes import LateAttributes
from gpuae.storage.rows.metadata import RowMetadata

ID_TITLE, LABEL_TITLE = "row_id", "label"


@dataclass(frozen=True)
class TableContent:
    """What is known of a table before its rows are."""

    kind: str
    """Of the HDF5 file that it stands for."""
    names: tuple[str, ...]
    """Of the columns of the rows."""
    metadata: RowMetadata
    """Labels and row ids, which become the columns `label` and `row_id`."""
    attributes: LateAttributes
    """Root attributes of that HDF5 file; csv has no place for them."""

    @property
    def leading(self) -> dict[str, NDArray[Any]]:
        """The columns that come before the rows'."""
        columns = {ID_TITLE: self.metadata.row_id, LABEL_TITLE: self.metadata.y}
        return {name: texts(values) for name, values in columns.items() if values is not None}


def texts(values: NDArray[Any]) -> NDArray[Any]:
    """Return labels or ids (n,) with text as NumPy's strings, and numbers as they are."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return values.astype(str) if values.dtype.kind == "O" else values


def columns_of(rows: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the columns of rows (m, k), or of rows (m,) that have fields."""
    if rows.dtype.names:
        return [rows[name] for name in rows.dtype.names]
    return list(np.ascontiguousarray(rows.T))


class Writer(Protocol):
    """Writes rows, in their order, to a file."""

    def append(self, start: int, rows: NDArray[Any]) -> None:
        """Write rows (m, k), of which the first is the row `start` of all."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...
