"""What layers of Keras compute, as dense layers with activations.

Layers that do something in training only are left out. Batch normalisation is affine and becomes
part of the weights beside it.

Source of the formulas: Keras 3, `keras/src/layers` and `keras/src/activations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange.chain import Layer
from gpuae.exchange.keras_config import Part
from gpuae.functions.activations import LEAKY_SLOPE

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

LEFT_OUT = (
    *("InputLayer", "Dropout", "AlphaDropout", "GaussianNoise", "GaussianDropout"),
    *("ActivityRegularization", "Flatten", "Reshape"),
)
"""Layers that change no number outside of training."""
ACTIVATIONS = {
    "linear": "identity",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "elu": "elu",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "softplus": "softplus",
    "exponential": "exponential",
}
"""Keras' names and ours."""
LAYERS_OF_ACTIVATIONS: dict[str, tuple[str, dict[str, float | None]]] = {
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0, "threshold": 0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": LEAKY_SLOPE}),
    "ELU": ("elu", {"alpha": 1}),
}
"""Layers that are activations: ours, and the settings for which they are the same."""
ALIASES = {"negative_slope": "alpha"}
"""What Keras 2 called settings."""
EPSILON = 1e-3
"""Of batch normalisation that does not say it."""


def folded(found: Sequence[tuple[Part, Arrays]], source: str) -> tuple[Layer, ...]:
    """Return the dense layers that all layers make.

    Raises
    ------
    InputError
        Naming a layer that cannot be one of them.
    """
    folding = _Folding(source)
    for part, arrays in found:
        try:
            folding.add(part, arrays)
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{source}: its layer {part.name} ({part.kind}) has numbers that do not go with "
                f"those of the layer before it ({error}); save the whole model again"
            ) from None
    return folding.layers()


class _Folding:
    """Dense layers so far, and what is to be put into the next one's weights."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._layers: list[Layer] = []
        self._waiting: list[tuple[int, Part, NDArray[Any], NDArray[Any]]] = []

    def add(self, part: Part, arrays: Arrays) -> None:
        """Add a layer."""
        if part.kind in LEFT_OUT:
            return
        if part.kind == "Dense":
            self._add_dense(part, arrays)
        elif part.kind == "BatchNormalization":
            self._add_normalization(part, arrays)
        elif part.kind == "Activation":
            self._activate(part, self._activation(part))
        elif part.kind in LAYERS_OF_ACTIVATIONS:
            self._activate(part, self._named_by_kind(part))
        else:
            raise self._refusal(part, "is neither dense nor an activation")

    def layers(self) -> tuple[Layer, ...]:
        """Return all dense layers, now that there are no more."""
        code = len(self._layers) // 2
        for place, part, *_ in self._waiting:
            if place in (code, len(self._layers)):
                where = "the code" if place == code else "the output"
                raise self._refusal(part, f"changes {where} after its activation")
        return tuple(self._layers)

    def _add_dense(self, part: Part, arrays: Arrays) -> None:
        weight = arrays["kernel"]
        bias = arrays.get("bias", np.zeros(weight.shape[-1:], weight.dtype))
        own = Layer(part.name, weight, bias, self._activation(part))
        for place, _, scale, shift in self._waiting:
            if place == len(self._layers) and weight.ndim == 2 and len(weight) == len(scale):
                bias = (bias + shift @ weight).astype(bias.dtype)
                weight = (scale[:, None] * weight).astype(weight.dtype)
                own = replace(own, weight=weight, bias=bias)
        self._layers.append(own)

    def _add_normalization(self, part: Part, arrays: Arrays) -> None:
        """Put γ(a − μ)/√(σ² + ε) + β into the weights before it, or else into those after it."""
        variance = arrays["moving_variance"].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):  # what is not finite is refused later
            scale = 1 / np.sqrt(variance + float(part.config.get("epsilon", EPSILON)))
        scale = scale * arrays.get("gamma", np.ones_like(variance))
        shift = arrays.get("beta", np.zeros_like(variance)) - arrays["moving_mean"] * scale
        last = self._layers[-1] if self._layers else None
        if last is None or last.activation != "identity":
            self._waiting.append((len(self._layers), part, scale, shift))
            return
        if last.bias.shape != scale.shape:
            raise self._refusal(part, f"has {len(scale)} units after {len(last.bias)}")
        weight = (last.weight * scale).astype(last.weight.dtype)
        bias = (last.bias * scale + shift).astype(last.bias.dtype)
        self._layers[-1] = replace(last, weight=weight, bias=bias)

    def _activate(self, part: Part, name: str) -> None:
        """Give the last layer an activation."""
        waits = any(place == len(self._layers) for place, *_ in self._waiting)
        if not self._layers or self._layers[-1].activation != "identity" or waits:
            raise self._refusal(part, "follows no dense layer without an activation")
        self._layers[-1] = replace(self._layers[-1], activation=name)

    def _activation(self, part: Part) -> str:
        found = part.config.get("activation", "linear")
        if not isinstance(found, str) or found not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise self._refusal(part, f"has the activation {found!r}, which is none of {known}")
        return ACTIVATIONS[found]

    def _named_by_kind(self, part: Part) -> str:
        name, wanted = LAYERS_OF_ACTIVATIONS[part.kind]
        for setting, value in wanted.items():
            own = part.config.get(setting, part.config.get(ALIASES.get(setting, setting), value))
            if own != value:
                raise self._refusal(
                    part, f"has {setting}={own}, and of gpuae's {name} that is {value}"
                )
        return name

    def _refusal(self, part: Part, problem: str) -> InputError:
        return InputError(
            f"{self._source}: its layer {part.name} ({part.kind}) {problem}, so the model cannot "
            "be imported; leave that layer out and save the model again"
        )
