"""What a page is about: a model and the rows that it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gpuae.machine import ANY, Machine
from gpuae.model.model import Model
from gpuae.pictures.sample import Sample
from gpuae.storage.provenance.lineage import Record, SourceFile
from gpuae.storage.rows.dataset import Dataset

MOST_ROWS = 10_000
"""Of pictures, and of codes among which neighbours are looked for."""


@dataclass(frozen=True)
class Subject:
    """A model and rows.

    Attributes
    ----------
    name
        What the model is called.
    file, source
        Of the model and of the rows: hashes, and what made them.
    trained_on
        Whether the rows are those that the model was trained on.
    machine
        What computes.
    """

    name: str
    model: Model
    data: Dataset
    file: SourceFile
    source: SourceFile
    trained_on: bool = False
    machine: Machine = ANY

    @property
    def record(self) -> Record:
        """What made the model."""
        return self.file.made or Record.of(self.model.attributes, self.name)

    @property
    def rows_name(self) -> str:
        """What the rows are called: the name of their file, and the path in it."""
        own = self.source
        return own.name if own.inner is None else f"{own.name}::{own.inner}"

    @property
    def labels(self) -> NDArray[Any] | None:
        """Of the rows."""
        return self.data.y

    def sample(self, most: int = MOST_ROWS) -> Sample:
        """Return at most so many of the rows."""
        return Sample.of(self.data, most)
