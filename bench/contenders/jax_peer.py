"""JAX: a compiled step at a time, and the whole epoch under `lax.scan`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random

from bench.cases import Case
from gpuae.config import Config

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}


def objective(config: Config, depth: int, parameters: Any, x: jax.Array, key: jax.Array) -> Any:
    """Return the objective of a batch."""
    a = x
    if config.noise == "masking":
        key, own = random.split(key)
        a = jnp.where(random.bernoulli(own, config.noise_level, x.shape), 0, x)
    for i, (w, b) in enumerate(parameters[:-1]):
        a = ACTIVATIONS[config.activation](a @ w + b)
        if i == depth - 1:
            code = a
        if config.dropout:
            key, own = random.split(key)
            kept = 1 - config.dropout
            a = jnp.where(random.bernoulli(own, kept, a.shape), a / kept, 0)
    w, b = parameters[-1]
    z = a @ w + b
    if config.loss == "bce":
        entropy = jnp.maximum(z, 0) - z * x + jnp.log1p(jnp.exp(-jnp.abs(z)))
        loss = entropy.mean()
    else:
        loss = ((jax.nn.sigmoid(z) - x) ** 2).sum() / (2 * len(x))
    if config.sparsity == "kl":
        rho, mean = config.rho, code.mean(0)
        kl = rho * jnp.log(rho / mean) + (1 - rho) * jnp.log((1 - rho) / (1 - mean))
        loss += config.beta * kl.sum()
    if config.weight_decay:
        loss += config.weight_decay / 2 * sum((w**2).sum() for w, _ in parameters)
    return loss


def adam(rate: float, state: Any, gradient: Any) -> Any:
    """Move the parameters; the state is (parameters, first moments, second moments, steps)."""
    parameters, first, second, steps = state
    steps += 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)

    def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return w - rate * (m / (1 - 0.9**steps)) / (jnp.sqrt(v / (1 - 0.999**steps)) + 1e-8)

    return jax.tree.map(moved, parameters, first, second), first, second, steps


def prepare(case: Case, mode: str) -> Callable[[], tuple[float, float]]:
    """Bring the data to the device as float32 and compile."""
    config = case.config()
    x = jnp.asarray(case.data(), jnp.float32) / 255
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.weights()]
    moments = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    state = (parameters, *moments, jnp.zeros((), jnp.int32))
    batch, count = config.batch_size, case.rows
    whole = count // batch
    cost = jax.value_and_grad(partial(objective, config, len(config.resolved_hidden)))

    def step(x: jax.Array, state: Any, rows: jax.Array, key: jax.Array) -> Any:
        loss, gradient = cost(state[0], x[rows], key)
        return adam(config.learning_rate, state, gradient), loss * len(rows)

    @partial(jax.jit, donate_argnums=1)
    def scanned(x: jax.Array, state: Any, key: jax.Array) -> Any:
        order = random.permutation(key, count)
        batches = order[: whole * batch].reshape(whole, batch)
        keys = random.split(key, whole + 1)
        state, losses = lax.scan(lambda s, own: step(x, s, *own), state, (batches, keys[1:]))
        total = losses.sum()
        if count % batch:
            state, rest = step(x, state, order[whole * batch :], keys[0])
            total += rest
        return state, total / count

    one_step = jax.jit(step, donate_argnums=1)

    def stepped(x: jax.Array, state: Any, key: jax.Array) -> Any:
        order, total = random.permutation(key, count), 0.0
        for start in range(0, count, batch):
            key, own = random.split(key)
            state, loss = one_step(x, state, order[start : start + batch], own)
            total += loss
        return state, total / count

    epoch = scanned if mode == "scan" else stepped
    key = random.key(0)

    def run() -> tuple[float, float]:
        nonlocal state, key
        began = time.perf_counter()
        for _ in range(case.repeats):
            key, own = random.split(key)
            state, loss = epoch(x, state, own)
        loss = float(loss)
        return (time.perf_counter() - began) / case.repeats, loss

    return run
