"""Which rows a page shows beside their reconstructions: some that training does not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.defaults import held_out
from gpuae.pictures.sample import SEED, Sample
from gpuae.storage.rows.dataset import Dataset
from gpuae.training.partition import partition

MOST_ROWS = 10
UNSEEN, IN_TURN, SEEN = (
    "training does not see these rows",
    "rows are held out in turn, and in the end training sees all of them",
    "training sees these rows, for none is held out",
)


def shown_rows(
    data: Dataset, x: NDArray[Any], validation: Dataset | None, config: Config
) -> tuple[Sample, str]:
    """Return some of the rows that will be held out, and say so; of all where none stays so.

    Parameters
    ----------
    x
        The rows of `data`, (n, d), which can be gathered.
    validation
        Rows of their own to hold out.
    """
    if validation is not None:
        return Sample.of(validation, MOST_ROWS), UNSEEN
    config = held_out(config, len(x), own_rows=False)
    own = partition(x, None, config).held_out
    whole = replace(data, x=x)
    if not len(own):
        return Sample.of(whole, MOST_ROWS), SEEN if config.folds == 1 else IN_TURN
    few = np.random.default_rng(SEED).choice(own, min(MOST_ROWS, len(own)), replace=False)
    return Sample.of(whole, MOST_ROWS, np.sort(few)), UNSEEN
