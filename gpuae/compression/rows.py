"""Rows as they are written: of a data set of integers the nearest integers, within their range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_type(rows: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return rows in a type of numbers, rounded and clipped if that is one of integers."""
    if dtype.kind == "f":
        return rows.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if int(high) > limits.max:  # 64 bits: the next lower float64
        high = float(np.nextafter(high, 0.0))
    return np.clip(np.rint(rows.astype(np.float64)), low, high).astype(dtype)
