"""What files for other programs say of themselves: columns, classes, settings, what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpuae.errors import InputError
from gpuae.exchange.chain import Chain, topk
from gpuae.exchange.computation import Computation
from gpuae.model.model import Model
from gpuae.storage import file_format

NAME = "gpuae"
"""Of the text in a file that has texts by name."""
FORMAT = "gpuae exchange 1"
"""So that a reader knows what the names mean."""


@dataclass(frozen=True)
class About:
    """A model in words.

    Attributes
    ----------
    producer
        The program and its version.
    layers
        Widths and activations, in the order of their use.
    categories
        Name and values of each column of categories, whose members are the last columns.
    classes
        Labels of a classifier's outputs.
    provenance
        What made the model, as JSON; None where the model does not say.
    """

    producer: str
    columns: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    layers: tuple[dict[str, Any], ...]
    k: int | None
    threshold: float | None
    categories: tuple[dict[str, Any], ...] | None
    classes: tuple[int | str, ...] | None
    settings: Mapping[str, Any]
    provenance: str | None

    @classmethod
    def of(cls, model: Model, computation: Computation) -> About:
        """Return what there is to say of a model."""
        head = model.classification
        made = model.attributes.get(file_format.PROVENANCE_JSON)
        return cls(
            producer=file_format.created_by(),
            columns=model.feature_names,
            image_shape=model.image_shape,
            layers=layers(computation),
            k=computation.k,
            threshold=computation.threshold,
            categories=_categories(model),
            classes=None if head is None else tuple(head.classes.tolist()),
            settings=model.config.stored(),
            provenance=None if made is None else str(made),
        )

    def known(self) -> dict[str, Any]:
        """Return what is known, by name, as JSON can hold it."""
        made = None if self.provenance is None else json.loads(self.provenance)
        found = {
            "format": FORMAT,
            "created_by": self.producer,
            "columns": self.columns,
            "image_shape": self.image_shape,
            "layers": self.layers,
            "k": self.k,
            "threshold": self.threshold,
            "categories": self.categories,
            "classes": self.classes,
            "settings": self.settings,
            "provenance": made,
        }
        return {name: value for name, value in found.items() if value is not None}

    def json(self) -> str:
        """Return it as one text."""
        return json.dumps(self.known(), ensure_ascii=False, sort_keys=True)

    def texts(self) -> dict[str, str]:
        """Return a text for each name; what is no text is JSON."""
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in self.known().items()
        }


def _categories(model: Model) -> tuple[dict[str, Any], ...] | None:
    found = tuple({"name": own.name, "values": own.values} for own in model.categorical)
    return found or None


def layers(computation: Computation) -> tuple[dict[str, Any], ...]:
    """Return name, widths and activation of each layer in the order of their use."""
    parts = (("encoder", computation.encoder), ("decoder", computation.decoder))
    return tuple(
        {
            "name": f"{part}.{place}",
            "inputs": len(layer.weight),
            "outputs": len(layer.bias),
            "activation": layer.activation,
        }
        for part, own in parts
        for place, layer in enumerate(own)
    )


def described(chain: Chain, text: str | None, source: str) -> Chain:
    """Return layers with the activations that a text of gpuae's gives them, if there is one.

    Raises
    ------
    InputError
        Where it is not as gpuae writes it, or of other layers.
    """
    if text is None:
        return chain
    try:
        found = json.loads(text)
        grouped = bool(found.get("categories"))
        names = [str(own["activation"]) for own in found["layers"]]
        named = zip(chain.layers, names, strict=True)
        layers = tuple(replace(layer, activation=name) for layer, name in named)
        selects = {} if found.get("k") is None else topk(found["k"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{source}: its text {NAME} does not describe its layers; export the model again"
        ) from None
    if grouped:
        raise InputError(
            f"{source}: has columns of categories, whose outputs cannot be imported; use the model "
            "that it was made from"
        )
    return replace(chain, layers=layers, settings={**(chain.settings or {}), **selects})
