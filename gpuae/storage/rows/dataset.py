"""Rows for training or for a model, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gpuae.storage.files.input_file import Input
from gpuae.storage.rows import row_types
from gpuae.storage.rows.categorical import Categorical
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.metadata import RowMetadata

NOTHING_KNOWN = RowMetadata()


@dataclass(frozen=True)
class Dataset:
    """A matrix of rows and what is known about it.

    Raises
    ------
    InputError
        On construction, when metadata do not fit the number of rows or columns.
    """

    x: AnyRows
    """Of shape (n, d), n and d at least 1, C-contiguous; an integer or float type of at most 64
    bits in native byte order. A read-only memory map where the file allows it; rows that are read
    when they are asked for where they neither can be mapped nor are to be in memory."""
    source: str
    """What messages call it: `digits`, `rows.csv`, `file.h5::/data/x`."""
    metadata: RowMetadata = NOTHING_KNOWN
    """Labels, row ids, names of columns, shape of an image."""
    file: Input | None = None
    """What the rows are read from; None for built-in data."""
    notes: tuple[str, ...] = ()
    """Choices made in reading that the user should hear of, one sentence each."""
    weights: NDArray[Any] | None = None
    """What the column of weights holds, (n,), as it was read; None where none was asked for."""

    def __post_init__(self) -> None:
        row_types.check_row_shape(self.x.shape, self.source)
        self.metadata.check(self.x.shape, self.source)

    @property
    def source_path(self) -> Path | None:
        """Where the rows are; None for built-in data."""
        return None if self.file is None else self.file.path

    @property
    def y(self) -> NDArray[Any] | None:
        """Labels (n,); None where there are none."""
        return self.metadata.y

    @property
    def row_id(self) -> NDArray[Any] | None:
        """What identifies each row (n,); None where nothing does."""
        return self.metadata.row_id

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns; None where they have none."""
        return self.metadata.feature_names

    @property
    def categorical(self) -> Categorical:
        """Columns of categories, whose members are the last columns of the rows."""
        return self.metadata.categorical

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Shape of one row, where rows are images."""
        return self.metadata.image_shape
