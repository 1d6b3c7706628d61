"""The handwritten digits that come with scikit-learn: data that every machine has."""

from __future__ import annotations

import numpy as np

from gpuae.storage.dataset import Dataset

NAME = "digits"


def load() -> Dataset:
    """Return 1,797 digits of 8 by 8 pixels with the digit as label.

    Pixels are counts from 0 to 16, so float32: uint8 would mean pixels from 0 to 255.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = np.ascontiguousarray(bunch.data, dtype=np.float32)
    return Dataset(x, NAME, y=np.asarray(bunch.target, np.int64), image_shape=(8, 8))
