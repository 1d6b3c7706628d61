"""Models of many kinds with random weights, which need no training."""

from dataclasses import replace

import numpy as np

from gpuae.config import Config
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.calibration import Calibration
from gpuae.model.classifier import Classification
from gpuae.model.model import Model
from gpuae.model.preprocess import Preprocess, Whitening
from gpuae.storage.rows.categorical import CategoricalColumn

COLUMNS = 5
HIDDEN = {1: (7,), 2: (6, 4), 3: (6, 5, 3)}
OUTPUT_OF = {"bce": "sigmoid", "poisson": "exponential"}


def preprocess_of(random, scaling):
    """Return preprocessing of a kind, as it could have been learnt."""
    center, factor = random.normal(size=COLUMNS), np.exp(random.normal(size=COLUMNS))
    if scaling == "none":
        center, factor = np.zeros(COLUMNS), np.ones(COLUMNS)
    clip = (0.1, 0.9) if scaling == "sigma" else (-np.inf, np.inf)
    whitening = None
    if scaling == "whitened":
        forward = np.eye(COLUMNS) + 0.3 * random.normal(size=(COLUMNS, COLUMNS))
        whitening = Whitening(random.normal(size=COLUMNS), forward, np.linalg.inv(forward))
    fill = center + 0.1 if scaling == "filled" else None
    low, high = np.full(COLUMNS, -1.5), np.full(COLUMNS, 1.5)
    return Preprocess(center, factor, *clip, low, high, whitening=whitening, fill=fill)


def model_of(
    activation="relu",
    output="identity",
    scaling="standard",
    *,
    hidden=HIDDEN[2],
    threshold=1.0,
    seed=0,
    **settings,
):
    """Return a model with random weights."""
    random = np.random.default_rng(seed)
    loss = {own: name for name, own in OUTPUT_OF.items()}.get(output, "mse")
    config = Config.parse(
        {
            "hidden": hidden,
            "activation": activation,
            "code_activation": activation,
            "output_activation": output,
            "loss": loss,
            "scale": "none",
            "whiten": "none",
            "missing": "mean" if scaling == "filled" else "refuse",
            "epochs": 1,
            **settings,
        }
    )
    config = config.model_copy(update={"whiten": "pca" if scaling == "whitened" else "none"})
    preprocess = preprocess_of(random, scaling)
    empty = Model(config, np.zeros(0), preprocess)
    parameters = 0.7 * random.normal(size=empty.network.size)
    calibration = Calibration(np.array([0.5, 1.0]), held_out=True, threshold=threshold)
    names = tuple(f"column {place}" for place in range(COLUMNS))
    return Model(
        config,
        parameters.astype(config.dtype),
        preprocess,
        feature_names=names,
        calibration=calibration,
    )


def classifier_of(activation="relu", scaling="standard", *, labels=("a", "b", "c"), **settings):
    """Return a classifier with random weights."""
    own = model_of(activation, scaling=scaling, **settings)
    head = Classification(np.array(labels), FinetuneConfig.parse({}))
    made = replace(own, classification=head, calibration=None, parameters=np.zeros(0))
    parameters = np.random.default_rng(1).normal(size=made.network.size)
    return replace(made, parameters=parameters.astype(own.config.dtype))


def with_categories(**settings):
    """Return a model of two numbers and two columns of categories, of one and two values."""
    own = model_of(**settings)
    columns = (CategoricalColumn("a", ("x",)), CategoricalColumn("b", ("y", "z")))
    return replace(own, categorical=columns)
