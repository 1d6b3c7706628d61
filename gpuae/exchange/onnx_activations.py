"""Activations as operations of ONNX.

onnxruntime has some operations for float32 alone; in float64 they are put together from others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gpuae.exchange.onnx_graph import Graph, Value
from gpuae.functions.activations import LEAKY_SLOPE
from gpuae.model.network import SOFTMAX

Build: TypeAlias = Callable[[Graph, Value], Value]

LOWEST_POWER, HIGHEST_POWER = -87.0, 88.0
"""Exponents in float32, beyond which gpuae's compiled loops keep the end's value."""


def activation(graph: Graph, z: Value, name: str, dtype: np.dtype[np.floating]) -> Value:
    """Return f(z) for z (m, n) of this type."""
    if name == "identity":
        return z
    builds = _NARROW if dtype == np.float32 else _WIDE
    return builds[name](graph, z)


def _one(operation: str, **attributes: float) -> Build:
    return lambda graph, z: graph.add(operation, z, **attributes)


def _silu(graph: Graph, z: Value) -> Value:
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def _narrow_power(graph: Graph, z: Value) -> Value:
    low, high = (graph.constant(own, np.float32) for own in (LOWEST_POWER, HIGHEST_POWER))
    return graph.add("Exp", graph.add("Clip", z, low, high))


def _wide_leaky_relu(graph: Graph, z: Value) -> Value:
    return graph.add("Max", z, graph.add("Mul", z, _number(graph, LEAKY_SLOPE)))


def _wide_elu(graph: Graph, z: Value) -> Value:
    below = graph.add("Exp", graph.add("Min", z, _number(graph, 0.0)))
    return graph.add("Add", graph.add("Relu", z), graph.add("Sub", below, _number(graph, 1.0)))


def _wide_softplus(graph: Graph, z: Value) -> Value:
    small = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    rest = graph.add("Log", graph.add("Add", small, _number(graph, 1.0)))
    return graph.add("Add", graph.add("Relu", z), rest)


def _wide_gelu(graph: Graph, z: Value) -> Value:
    """Return z·Φ(z), where Φ has the digits of float32: there is no other error function."""
    narrow = graph.cast(graph.add("Mul", z, _number(graph, math.sqrt(0.5))), np.float32)
    both_tails = graph.cast(graph.add("Erf", narrow), np.float64)
    doubled = graph.add("Add", both_tails, _number(graph, 1.0))
    return graph.add("Mul", z, graph.add("Mul", doubled, _number(graph, 0.5)))


def _number(graph: Graph, value: float) -> Value:
    return graph.constant(value, np.float64)


_NARROW: dict[str, Build] = {
    "sigmoid": _one("Sigmoid"),
    "tanh": _one("Tanh"),
    "relu": _one("Relu"),
    "leaky_relu": _one("LeakyRelu", alpha=LEAKY_SLOPE),
    "gelu": _one("Gelu"),
    "silu": _silu,
    "elu": _one("Elu"),
    "softplus": _one("Softplus"),
    "exponential": _narrow_power,
    SOFTMAX: _one("Softmax", axis=1),
}
_WIDE: dict[str, Build] = {
    **_NARROW,
    "leaky_relu": _wide_leaky_relu,
    "gelu": _wide_gelu,
    "elu": _wide_elu,
    "softplus": _wide_softplus,
    "exponential": _one("Exp"),
}
