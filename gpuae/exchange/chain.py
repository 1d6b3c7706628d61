"""Dense layers of another program's file, one after the other, and the model that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import MAX_LAYERS, Config
from gpuae.defaults import DataFacts, resolve
from gpuae.errors import ConfigError, InputError
from gpuae.model.model import Model
from gpuae.model.preprocess import Preprocess

ROWS = 10_000
"""For so many rows, with values from 0 to 1, the settings of further training are chosen."""


@dataclass(frozen=True)
class Layer:
    """One affine map, a·W + b with W of shape (n_in, n_out).

    Attributes
    ----------
    name
        In the file.
    activation
        None: the file does not say.
    """

    name: str
    weight: NDArray[Any]
    bias: NDArray[Any]
    activation: str | None = None


@dataclass(frozen=True)
class Chain:
    """All layers of a file, from the input to the output.

    Attributes
    ----------
    preprocess
        What is done to rows before them; None: nothing.
    settings
        What the file says beside the layers, as settings.
    """

    layers: tuple[Layer, ...]
    preprocess: Preprocess | None = None
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Named:
    """What a person says of a network, which wins over what the file says.

    Attributes
    ----------
    hidden
        Of all layers but code and output.
    code
        Of the code; None: as `hidden`.
    k
        How many units of a code stay; None: as the file says, or all.
    """

    hidden: str | None = None
    code: str | None = None
    output: str | None = None
    k: int | None = None

    def activation_of(self, place: int, code: int, last: int) -> str | None:
        """Return that of a layer; None where none is named."""
        if place == last:
            return self.output
        return (self.code or self.hidden) if place == code else self.hidden


def model_of(chain: Chain, named: Named, source: str) -> Model:
    """Return the autoencoder that layers make.

    Raises
    ------
    InputError
        Where the layers do not chain, or do not mirror one another.
    ConfigError
        Where it is not known what activations they have.
    """
    layers = chain.layers
    check_chain(layers, source)
    code = _code(layers, source)
    names = [
        _activation(layer, named.activation_of(place, code, len(layers) - 1), source)
        for place, layer in enumerate(layers)
    ]
    if named.k is not None:
        chain = replace(chain, settings={**(chain.settings or {}), **topk(named.k)})
    config = _config(chain, names, code, source)
    columns = len(layers[0].weight)
    preprocess = chain.preprocess or untouched(columns)
    if len(preprocess.center) != columns:
        raise InputError(
            f"{source}: scales {len(preprocess.center)} columns and its first layer takes "
            f"{columns}; export the model again"
        )
    model = Model(config, np.empty(0), preprocess)
    flat = np.empty(model.network.size, config.dtype)
    for own, layer in zip(model.network.views(flat), layers, strict=True):
        own.weight[...] = layer.weight
        own.bias[...] = layer.bias
    if not np.isfinite(flat).all():
        raise InputError(f"{source}: holds weights that are NaN or infinite; save it again")
    return Model(config, flat, model.preprocess)


def topk(k: Any) -> dict[str, Any]:
    """Return the settings by which the k largest units of a code stay."""
    return {"sparsity": "topk", "k": k}


def untouched(columns: int) -> Preprocess:
    """Return preprocessing that leaves rows as they are, whose range is not known."""
    return Preprocess(
        center=np.zeros(columns),
        factor=np.ones(columns),
        clip_low=-np.inf,
        clip_high=np.inf,
        low=np.full(columns, -np.inf),
        high=np.full(columns, np.inf),
    )


def check_chain(layers: Sequence[Layer], source: str) -> None:
    """Refuse layers of which one does not take what the one before gives.

    Raises
    ------
    InputError
        Naming them with their shapes.
    """
    if not layers:
        raise InputError(f"{source}: has no dense layers in it; give a dense autoencoder")
    if len(layers) > 2 * MAX_LAYERS:
        raise InputError(f"{source}: has {len(layers)} layers where {2 * MAX_LAYERS} can be")
    for layer in layers:
        if layer.weight.ndim != 2 or layer.bias.shape != layer.weight.shape[1:]:
            raise InputError(
                f"{source}: its layer {layer.name} has a weight of shape {layer.weight.shape} and "
                f"a bias of shape {layer.bias.shape}, which do not go together"
            )
    for one, other in pairwise(layers):
        if one.weight.shape[1] != other.weight.shape[0]:
            raise InputError(
                f"{source}: its layer {one.name} gives {one.weight.shape[1]} values and the next, "
                f"{other.name}, takes {other.weight.shape[0]}; give a network whose layers follow "
                "one another"
            )


def _code(layers: Sequence[Layer], source: str) -> int:
    """Return the index of the layer that makes the code: the one in the middle.

    Raises
    ------
    InputError
        Where the widths after it are not those before it in reverse.
    """
    widths = [len(layers[0].weight), *(len(layer.bias) for layer in layers)]
    if widths != widths[::-1] or len(layers) % 2:
        shown = "-".join(map(str, widths))
        raise InputError(
            f"{source}: has layers of the widths {shown}, and those of an autoencoder of gpuae are "
            "the same from both ends, with the code in the middle"
        )
    return len(layers) // 2 - 1


def _activation(layer: Layer, named: str | None, source: str) -> str:
    found = named or layer.activation
    if found is None:
        raise ConfigError(
            f"{source}: does not say which activation follows its layer {layer.name}; give "
            "activation and output_activation (in the shell --activation and --output-activation), "
            "and code_activation if that of the code is another one"
        )
    return found


def _config(chain: Chain, names: Sequence[str], code: int, source: str) -> Config:
    """Return the settings of a model with these layers, all of which have a value.

    Raises
    ------
    ConfigError
        For activations that make no sense there.
    """
    hidden = tuple(len(layer.bias) for layer in chain.layers[: code + 1])
    others = (*names[:code], *names[code + 1 : -1])
    one = others[0] if others else names[code]
    alike = len(set(others)) <= 1
    wide = np.result_type(*(layer.weight.dtype for layer in chain.layers)) == np.float64
    settings = {
        "scale": "none",
        "dtype": "float64" if wide else "float32",
        "epochs": 0,
        "init": "glorot",
        **(chain.settings or {}),
        "hidden": hidden,
        "depth": len(hidden),
        "activation": one if alike else others,
        "code_activation": names[code],
        "output_activation": names[-1],
    }
    config = Config.parse(settings, source=source)
    columns = len(chain.layers[0].weight)
    return resolve(config, DataFacts(ROWS, columns, config.dtype, 0.0, 1.0)).config
