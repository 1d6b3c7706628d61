"""Which rows a page shows beside their reconstructions: some that training does not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.defaults import held_out
from gpuae.pictures.sample import SEED, Sample
from gpuae.storage.dataset import Dataset
from gpuae.training.partition import partition

MOST_ROWS = 10


def shown_rows(
    data: Dataset, x: NDArray[Any], validation: Dataset | None, config: Config
) -> Sample:
    """Return some of the rows that will be held out; of all where none is, or all are in turn.

    Parameters
    ----------
    x
        The rows of `data`, (n, d), which can be gathered.
    validation
        Rows of their own to hold out.
    """
    if validation is not None:
        return Sample.of(validation, MOST_ROWS)
    own = partition(x, None, held_out(config, len(x), own_rows=False)).held_out
    whole = replace(data, x=x)
    if not len(own):
        return Sample.of(whole, MOST_ROWS)
    few = np.random.default_rng(SEED).choice(own, min(MOST_ROWS, len(own)), replace=False)
    return Sample.of(whole, MOST_ROWS, np.sort(few))
