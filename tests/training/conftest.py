import numpy as np
import pytest

from gpuae.training.history import Silence


class Watch(Silence):
    """Remembers what it is told."""

    def __init__(self):
        self.notes, self.starts, self.rows, self.records = [], [], [], []

    def note(self, message):
        self.notes.append(message)

    def training_starts(self, config, columns, rows):
        self.starts.append((config, columns, rows))

    def rows_done(self, epoch, rows):
        self.rows.append((epoch, rows))

    def epoch_done(self, record):
        self.records.append(record)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def relative():
    """A function: ‖a − b‖ / ‖b‖."""
    return _relative


def _relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
