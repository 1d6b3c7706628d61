"""scikit-learn's MLPRegressor, which has a linear output, squared errors and no KL penalty."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.neural_network import MLPRegressor

from bench.cases import Case

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu"}


def prepare(case: Case, _: str) -> Callable[[], tuple[float, None]]:
    """Bring the data to memory as float32; losses are other ones, so none is returned."""
    warnings.simplefilter("ignore")
    config = case.config()
    hidden = config.resolved_hidden
    x = case.data().astype(np.float32) / np.float32(255)
    model = MLPRegressor(
        hidden_layer_sizes=(*hidden, *reversed(hidden[:-1])),
        activation=ACTIVATIONS[config.activation],
        alpha=config.weight_decay,
        batch_size=config.batch_size,
    )

    def run() -> tuple[float, None]:
        began = time.perf_counter()
        for _ in range(case.repeats):
            model.partial_fit(x, x)
        return (time.perf_counter() - began) / case.repeats, None

    return run
