"""Activations f(z) of one element, and their derivatives in terms of a = f(z)."""

from __future__ import annotations

from typing import Any

from gpuae.backends.numba_compile import elementwise
from gpuae.backends.numba_math import exp, tanh
from gpuae.backends.ops import LEAKY_SLOPE


@elementwise
def sigmoid(z: Any) -> Any:
    """Return 1/(1 + e⁻ᶻ)."""
    return type(z)(1) / (type(z)(1) + exp(-z))


@elementwise
def sigmoid_derivative(a: Any) -> Any:
    """Return a(1 − a)."""
    return a * (type(a)(1) - a)


@elementwise
def hyperbolic_tangent(z: Any) -> Any:
    """Return tanh z."""
    return tanh(z)


@elementwise
def tanh_derivative(a: Any) -> Any:
    """Return 1 − a²."""
    return type(a)(1) - a * a


@elementwise
def relu(z: Any) -> Any:
    """Return max(z, 0); NaN stays NaN."""
    return type(z)(0) if z < 0 else z


@elementwise
def relu_derivative(a: Any) -> Any:
    """Return 1 where a > 0."""
    return type(a)(1) if a > 0 else type(a)(0)


@elementwise
def leaky_relu(z: Any) -> Any:
    """Return z where z > 0, else 0.01·z."""
    return z if z > 0 else type(z)(LEAKY_SLOPE) * z


@elementwise
def leaky_relu_derivative(a: Any) -> Any:
    """Return 1 where a > 0, else 0.01."""
    return type(a)(1) if a > 0 else type(a)(LEAKY_SLOPE)


@elementwise
def identity(z: Any) -> Any:
    """Return z."""
    return z


@elementwise
def identity_derivative(a: Any) -> Any:
    """Return 1."""
    return type(a)(1)


ACTIVATIONS = {
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (hyperbolic_tangent, tanh_derivative),
    "relu": (relu, relu_derivative),
    "leaky_relu": (leaky_relu, leaky_relu_derivative),
    "identity": (identity, identity_derivative),
}
"""f and f′ of each."""
