"""scikit-learn's MLPRegressor, which has a linear output, squared errors and no KL penalty."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.neural_network import MLPRegressor

from gpuae.benchmark.contenders import Job, Run, timed

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu"}


def prepare(job: Job) -> Run:
    """Bring the data to memory as float32; losses are other ones, so none is returned."""
    warnings.simplefilter("ignore")
    config = job.config
    hidden = config.resolved_hidden
    x = job.case.data().astype(np.float32) / np.float32(255)
    model = MLPRegressor(
        hidden_layer_sizes=(*hidden, *reversed(hidden[:-1])),
        activation=ACTIVATIONS[config.activation],
        alpha=config.weight_decay,
        batch_size=config.batch_size,
    )

    def epoch() -> None:
        model.partial_fit(x, x)

    return timed(epoch)
