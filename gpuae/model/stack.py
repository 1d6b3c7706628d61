"""Autoencoders that were trained apart, one on the codes of the other, as one network.

The lower one's preprocessing stays. That of an upper one is affine and becomes part of the weights
beside it (docs/mathematics.md), so that the whole gives the codes, and from codes the rows, that
the models give one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.functions.activations import ACTIVATIONS
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.model import Model
from gpuae.model.preprocess import Preprocess

OF_THE_CODE = ("sparsity", "rho", "beta", "l1", "k", "code_activation")
"""Settings that are the upper model's."""
OF_ONE_TRAINING: dict[str, Any] = {
    "pretrain": 0,
    "outlier_score": "mse",
    "contamination": None,
    "trim": 0.0,
}
"""What is true of the training of neither, and is put back to its default."""

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A weight (n_in, n_out) and a bias (n_out,)."""


def stack(models: Sequence[Model]) -> Model:
    """Join models, the one that takes the data first, into one without history or calibration.

    Raises
    ------
    InputError
        Where there are fewer than two, or one does not fit on the other.
    """
    if len(models) < 2:
        raise InputError("a stack is of two or more models; give another one")
    for place, model in enumerate(models, start=1):
        if model.classification is not None:
            raise InputError(
                f"model {place} is a classifier, which has no decoder; give the autoencoder that "
                "it was made from, and make a classifier of the stack"
            )
    for place, (lower, upper) in enumerate(pairwise(models), start=1):
        _check_fits(lower, upper, place)
    return reduce(_joined, models)


def _check_fits(lower: Model, upper: Model, place: int) -> None:
    below, above = f"model {place}", f"model {place + 1}"
    if upper.network.columns != lower.network.code_size:
        raise InputError(
            f"{above} takes rows of {upper.network.columns} columns and the code of {below} has "
            f"{lower.network.code_size} units; train it on what gpuae encode makes with {below}"
        )
    if upper.categorical:
        raise InputError(
            f"{above} has columns of categories, which the code of {below} has not; train it on "
            f"what gpuae encode makes with {below}"
        )
    if lower.config.code_rule.selects:
        raise InputError(
            f"{below} leaves only the largest units of its code, which a stack does with its last "
            f"code alone; train it without sparsity={lower.config.sparsity}"
        )
    if np.isfinite(upper.preprocess.clip_low) or np.isfinite(upper.preprocess.clip_high):
        raise InputError(
            f"{above} cuts its inputs off (scale={upper.config.scale}), which no layer does; train "
            "it with scale=none or scale=standard"
        )
    if upper.preprocess.total is not None:
        raise InputError(
            f"{above} takes logarithms of counts (scale=log1p), which no layer does; train it with "
            "scale=none or scale=standard"
        )
    output = upper.network.layers[-1].activation
    if not _is_plain(upper.preprocess) and output != "identity":
        raise InputError(
            f"{above} scales its inputs (scale={upper.config.scale}, whiten={upper.config.whiten}) "
            f"and its output is bent (output_activation={output}), which is no layer of a network; "
            "train it with scale=none, or with output_activation=identity"
        )
    if ACTIVATIONS[output].output_only:
        raise InputError(
            f"{above} has the output_activation={output}, which within a network would grow beyond "
            "all bounds; train it with another loss or output_activation"
        )


def _joined(lower: Model, upper: Model) -> Model:
    config = _config(lower, upper)
    network = mirrored_autoencoder(config, lower.network.columns, lower.network.categories)
    flat = np.empty(network.size, config.dtype)
    encoders, decoders = zip(_layers(lower), _taking_codes(upper), strict=True)
    joined = (*encoders[0], *encoders[1], *decoders[1], *decoders[0])
    for layer, own, (weight, bias) in zip(network.layers, network.views(flat), joined, strict=True):
        own.weight[...] = weight.T if layer.transposed else weight
        own.bias[...] = bias
    return Model(
        config,
        flat,
        lower.preprocess,
        attributes={"seed": config.seed},
        feature_names=lower.feature_names,
        image_shape=lower.image_shape,
        categorical=lower.categorical,
    )


def _layers(model: Model) -> tuple[list[Affine], list[Affine]]:
    """Return the layers of encoder and decoder in float64, each weight as it multiplies rows."""
    both = []
    for layer, own in zip(model.network.layers, model.network.views(model.parameters), strict=True):
        weight = own.weight.T if layer.transposed else own.weight
        both.append((weight.astype(np.float64), own.bias.astype(np.float64)))
    depth = model.network.depth
    return both[:depth], both[depth:]


def _taking_codes(model: Model) -> tuple[list[Affine], list[Affine]]:
    """Return a model's layers such that they take, and make, what it was given as data."""
    encoder, decoder = _layers(model)
    if _is_plain(model.preprocess):
        return encoder, decoder
    there, shift = _affine(model.preprocess)
    back, origin = _back(model.preprocess)
    weight, bias = encoder[0]
    encoder[0] = (there @ weight, bias + shift @ weight)
    weight, bias = decoder[-1]
    decoder[-1] = (weight @ back, bias @ back + origin)
    return encoder, decoder


def _affine(preprocess: Preprocess) -> Affine:
    """Return the matrix and the shift that preprocessing is."""
    there, shift = np.diag(preprocess.factor), -preprocess.center * preprocess.factor
    whitening = preprocess.whitening
    if whitening is None:
        return there, shift
    return there @ whitening.forward, (shift - whitening.mean) @ whitening.forward


def _back(preprocess: Preprocess) -> Affine:
    """Return the matrix and the shift that undo it."""
    scaled, whitening = np.diag(1 / preprocess.factor), preprocess.whitening
    if whitening is None:
        return scaled, preprocess.center
    return whitening.back @ scaled, whitening.mean / preprocess.factor + preprocess.center


def _is_plain(preprocess: Preprocess) -> bool:
    """Whether nothing is done to rows."""
    same = (preprocess.factor == 1).all() and (preprocess.center == 0).all()
    return bool(same) and preprocess.whitening is None


def _config(lower: Model, upper: Model) -> Config:
    """Return the settings of the whole.

    Raises
    ------
    ConfigError
        Where they contradict each other.
    """
    one, other = lower.config, upper.config
    hidden = (*one.resolved_hidden, *other.resolved_hidden)
    kinds = {one.decoder, other.decoder}
    tied = kinds == {"tied"} and _is_plain(upper.preprocess)
    update = {
        **{name: getattr(other, name) for name in OF_THE_CODE},
        **OF_ONE_TRAINING,
        "hidden": hidden,
        "depth": len(hidden),
        "activation": _activations(lower, upper),
        "decoder": "tied" if tied else "transpose" if kinds == {"transpose"} else "untied",
        "dtype": str(np.result_type(one.dtype, other.dtype)),
        "noise": one.noise if one.of_layer("noise_level", 0) else "none",
        "noise_level": one.of_layer("noise_level", 0),
        "dropout": _dropout(one, other),
    }
    update |= {name: other.of_layer(name, -1) for name in ("rho", "k")}
    update |= {
        name: other.of_layer(name, -1)
        for name in ("beta", "l1")
        if getattr(other, name) is not None
    }
    try:
        return Config.parse(one.model_dump() | update, source="stack")
    except ConfigError as error:
        raise InputError(f"the models do not go together: {error}") from None


def _activations(lower: Model, upper: Model) -> str | tuple[str, ...]:
    """Return the activations of all layers but code and output, in as few names as say it."""
    below, above = lower.network, upper.network
    before = [layer.activation for layer in (*below.encoder, *above.encoder[:-1])]
    after = [layer.activation for layer in (*above.decoder, *below.decoder[:-1])]
    if len({*before, *after}) == 1:
        return before[0]
    return tuple(before) if before == after[::-1] else (*before, *after)


def _dropout(one: Config, other: Config) -> float | tuple[float, ...]:
    rates = tuple(
        float(own.of_layer("dropout", layer))
        for own in (one, other)
        for layer in range(len(own.resolved_hidden))
    )
    return rates[0] if len(set(rates)) == 1 else rates
