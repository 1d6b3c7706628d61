"""The layers that a configuration of Keras lists, in the order in which rows go through them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gpuae.errors import InputError

Entry: TypeAlias = Mapping[str, Any]
"""What JSON has for a layer."""

SEQUENCE, GRAPHS = "Sequential", ("Functional", "Model")
"""Kinds of models, which may lie in one another."""
ADVICE = "give a network whose layers follow one another"


@dataclass(frozen=True)
class Part:
    """A layer that is no model itself.

    Attributes
    ----------
    kind
        Its class.
    path
        Of its numbers in an archive, where they are found by kind and count.
    outer
        Name of it, or of the outermost model that it is in.
    """

    kind: str
    name: str
    config: Entry
    path: str
    outer: str


def parts(model: Entry, source: str) -> list[Part]:
    """Return all layers of a model.

    Raises
    ------
    InputError
        Where it does not list them, or they do not follow one another.
    """
    try:
        return list(_parts(model, "", None, source))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{source}: its configuration is not as Keras writes it ({type(error).__name__} "
            f"{error}); save the whole model again, by model.save(FILE)"
        ) from None


def _parts(model: Entry, place: str, outer: str | None, source: str) -> Iterator[Part]:
    kind = model["class_name"]
    if kind not in (SEQUENCE, *GRAPHS):
        raise InputError(
            f"{source}: is a {kind}, a class of its author's whose layers the file does not list; "
            "save it as a Sequential of its encoder and decoder"
        )
    layers = model["config"]["layers"]
    paths = _paths(layers, place)
    for entry in layers if kind == SEQUENCE else _chain(layers, source):
        name = str(entry["config"]["name"])
        if entry["class_name"] in (SEQUENCE, *GRAPHS):
            yield from _parts(entry, paths[name], outer or name, source)
        else:
            yield Part(entry["class_name"], name, entry["config"], paths[name], outer or name)


def _paths(layers: Sequence[Entry], place: str) -> dict[str, str]:
    """Return where an archive has the numbers of each layer, by its name."""
    count: Counter[str] = Counter()
    found = {}
    for entry in layers:
        kind = _in_small_letters(entry["class_name"])
        number = f"_{count[kind]}" if count[kind] else ""
        found[str(entry["config"]["name"])] = f"{place}/layers/{kind}{number}"
        count[kind] += 1
    return found


def _in_small_letters(kind: str) -> str:
    """Return the name of a class with _ between its words, as Keras has it."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _chain(layers: Sequence[Entry], source: str) -> Iterator[Entry]:
    """Yield the layers of a graph from its input to its output.

    Raises
    ------
    InputError
        Where one has not one input, or gives its output to several.
    """
    after: dict[str | None, list[Entry]] = {}
    for entry in layers:
        inputs = sorted(set(_inputs(entry.get("inbound_nodes", ()))))
        if len(inputs) > 1:
            raise InputError(
                f"{source}: its layer {entry['config']['name']} has {len(inputs)} inputs; {ADVICE}"
            )
        after.setdefault(inputs[0] if inputs else None, []).append(entry)
    name: str | None = None
    while found := after.pop(name, None):
        if len(found) > 1:
            what = "has several inputs" if name is None else f"goes on in several ways after {name}"
            raise InputError(f"{source}: {what}; {ADVICE}")
        yield found[0]
        name = str(found[0]["config"]["name"])
    if after:
        raise InputError(f"{source}: has layers that nothing leads to; {ADVICE}")


def _inputs(nodes: Any) -> Iterator[str]:
    """Yield the names of the layers that something is an output of."""
    if isinstance(nodes, dict):
        history = nodes.get("keras_history")
        if history is not None:
            yield str(history[0])
        else:
            for own in nodes.values():
                yield from _inputs(own)
    elif isinstance(nodes, list):
        if len(nodes) > 2 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            yield nodes[0]
        else:
            for own in nodes:
                yield from _inputs(own)
