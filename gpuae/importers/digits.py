"""The handwritten digits of scikit-learn, which every machine has."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

NAME = "digits"


def load() -> Dataset:
    """Return 1,797 digits of 8 by 8 pixels with the digit as label.

    Pixels are counts from 0 to 16, so they are float32; uint8 would mean pixels from 0 to 255.
    """
    table = np.loadtxt(_table(), delimiter=",", dtype=np.float32)
    x = np.ascontiguousarray(table[:, :-1])
    return Dataset(
        x, NAME, metadata=RowMetadata(y=table[:, -1].astype(np.int64), image_shape=(8, 8))
    )


def _table() -> Path:
    """Return scikit-learn's file of digits; importing the package for it would take a second."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ImportError("the package scikit-learn is missing: reinstall gpuae")
    return Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
