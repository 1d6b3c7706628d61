"""What a page is about: a model and the rows that it is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from gpuae.model.model import Model
from gpuae.pictures.sample import Sample
from gpuae.storage.dataset import Dataset

MOST_ROWS = 10_000
"""Of pictures, and of codes among which neighbours are looked for."""


@dataclass(frozen=True)
class Subject:
    """A model and rows.

    Attributes
    ----------
    name
        Of the model's file.
    trained_on
        Whether the rows are those that the model was trained on.
    machine
        `device`, `threads` and `memory` of whatever computes.
    """

    name: str
    model: Model
    data: Dataset
    trained_on: bool = False
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> NDArray[Any] | None:
        """Of the rows."""
        return self.data.y

    @property
    def drawing(self) -> dict[str, Any]:
        """How pictures are computed."""
        return {
            "device": self.machine.get("device", "auto"),
            "threads": self.machine.get("threads"),
        }

    def sample(self, most: int = MOST_ROWS) -> Sample:
        """Return at most so many of the rows."""
        return Sample.of(self.data, most)
