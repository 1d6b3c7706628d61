"""The output of a table for rows with columns of categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from gpuae.storage.kinds.rows_output import Attributes, numbered, rows_output
from gpuae.storage.outputs.named_rows import NamedRows
from gpuae.storage.outputs.table_output import TableOutput
from gpuae.storage.rows.categorical import widths
from gpuae.storage.rows.metadata import RowMetadata


def named_rows_output(
    path: Path,
    shape: tuple[int, int],
    dtype: DTypeLike,
    names: tuple[str, ...],
    metadata: RowMetadata,
    *,
    force: bool,
    attributes: Attributes,
) -> NamedRows:
    """Return the output of a table for rows of `shape` (n, d) with columns of categories.

    `names` are those of all columns of the rows.
    """
    categorical = metadata.categorical
    numbers = names[: shape[1] - sum(widths(categorical))]
    titles = (*numbers, *(column.name for column in categorical))
    distinct = len(set(titles)) == len(titles) and all(titles)
    fields = titles if distinct else numbered("column", len(titles))
    kinds = [
        *(np.dtype(dtype) for _ in numbers),
        *(np.array(column.values).dtype for column in categorical),
    ]
    own = np.dtype(list(zip(fields, kinds, strict=True)))
    output = rows_output(
        path, "dataset", (shape[0],), own, titles, metadata, force=force, attributes=attributes
    )
    assert isinstance(output, TableOutput)
    return NamedRows(output, shape, own, categorical)
