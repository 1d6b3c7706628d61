"""What each epoch came to, of however many epochs, in points that a page can take."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gpuae.training.history import EpochRecord

MOST_POINTS = 1000


@dataclass
class Curve:
    """Losses and learning rate by epoch; of many epochs every so many, and the last."""

    name: str
    every: int = 1
    records: list[EpochRecord] = field(default_factory=list)

    def add(self, record: EpochRecord) -> None:
        """Add what an epoch came to, in place of the one before if that was not to stay."""
        if self.records and not self._stays(self.records[-1]):
            self.records.pop()
        self.records.append(record)
        if len(self.records) > MOST_POINTS:
            self.every *= 2
            self.records = [own for own in self.records if own is record or self._stays(own)]

    def values(self, name: str) -> NDArray[np.float64]:
        """Return one of the quantities, (points,)."""
        return np.array([getattr(record, name) for record in self.records], np.float64)

    def _stays(self, record: EpochRecord) -> bool:
        return record.epoch % self.every == 0
