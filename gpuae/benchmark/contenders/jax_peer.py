"""JAX: a compiled step at a time, and the whole epoch under `lax.scan`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

from gpuae.benchmark.cases import Case
from gpuae.benchmark.contenders import Job, Run, timed
from gpuae.config import Config

jax: Any = import_module("jax")
jnp: Any = jax.numpy
lax, random = jax.lax, jax.random
Array: TypeAlias = Any
State: TypeAlias = tuple[Any, Any, Any, Array]
"""Parameters, first moments, second moments, steps."""
Data: TypeAlias = tuple[Array, ...]
"""Rows, and what class each is of if it is of one; the last of these is the target."""
Epoch: TypeAlias = Callable[[Data, State, Array], tuple[State, Array]]
Loss: TypeAlias = Callable[[Array, Array], Array]
"""Of a batch, from the last layer's z and the targets."""


def prepare(job: Job) -> Run:
    """Bring the data to the device as float32 and compile."""
    jax.config.update("jax_default_matmul_precision", "highest")  # no TF32
    devices = jax.devices("cuda" if job.on_gpu else "cpu")
    jax.config.update("jax_default_device", devices[job.device_number])
    data = _data(job.case)
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in job.case.weights()]
    moments = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    state: State = (parameters, *moments, jnp.zeros((), jnp.int32))
    key = random.key(0)
    train = {"scan": _scanned, "step": _stepped}[job.mode](job)

    def epoch() -> Array:
        nonlocal state, key
        key, own = random.split(key)
        state, loss = train(data, state, own)
        return loss

    return timed(epoch)


def _data(case: Case) -> Data:
    x = case.data()
    rows = jnp.asarray(x, jnp.float32) / 255
    return (rows, jnp.asarray(case.labels(x), jnp.int32)) if case.classes else (rows,)


def _step(job: Job) -> Callable[[Data, State, Array, Array], tuple[State, Array]]:
    config = job.config
    fixed = (config, len(config.resolved_hidden), LOSSES[job.case.loss])
    cost = jax.value_and_grad(partial(objective, *fixed))

    def step(data: Data, state: State, rows: Array, key: Array) -> tuple[State, Array]:
        batch = [own[rows] for own in data]
        loss, gradient = cost(state[0], batch[0], batch[-1], key)
        return adam(config.resolved("learning_rate"), state, gradient), loss * len(rows)

    return step


def _scanned(job: Job) -> Epoch:
    step, count, batch = _step(job), job.case.rows, job.case.batch_size
    whole = count // batch

    def scanned(data: Data, state: State, key: Array) -> tuple[State, Array]:
        order = random.permutation(key, count)
        batches = order[: whole * batch].reshape(whole, batch)
        keys = random.split(key, whole + 1)
        state, losses = lax.scan(lambda s, own: step(data, s, *own), state, (batches, keys[1:]))
        total = losses.sum()
        if count % batch:
            state, rest = step(data, state, order[whole * batch :], keys[0])
            total += rest
        return state, total / count

    compiled: Epoch = jax.jit(scanned, donate_argnums=1)
    return compiled


def _stepped(job: Job) -> Epoch:
    count, batch = job.case.rows, job.case.batch_size
    one_step = jax.jit(_step(job), donate_argnums=1)

    def stepped(data: Data, state: State, key: Array) -> tuple[State, Array]:
        order, total = random.permutation(key, count), jnp.zeros(())
        for start in range(0, count, batch):
            key, own = random.split(key)
            state, loss = one_step(data, state, order[start : start + batch], own)
            total += loss
        return state, total / count

    return stepped


def objective(
    config: Config, depth: int, loss_of: Loss, parameters: Any, x: Array, target: Array, key: Array
) -> Any:
    """Return the objective of a batch."""
    f, a = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[config.resolved("activation")], x
    if config.noise == "masking":
        key, own = random.split(key)
        a = jnp.where(random.bernoulli(own, config.of_layer("noise_level", -1), x.shape), 0, x)
    for i, (w, b) in enumerate(parameters[:-1]):
        a = f(a @ w + b)
        if i == depth - 1:
            code = a
            a = largest(a, config.of_layer("k", -1)) if config.sparsity == "topk" else a
        if config.drops:
            key, own = random.split(key)
            kept = 1 - config.of_layer("dropout", -1)
            a = jnp.where(random.bernoulli(own, kept, a.shape), a / kept, 0)
    w, b = parameters[-1]
    loss = loss_of(a @ w + b, target)
    if config.code_rule.reduces:
        rho, mean = config.of_layer("rho", -1), code.mean(0)
        kl = rho * jnp.log(rho / mean) + (1 - rho) * jnp.log((1 - rho) / (1 - mean))
        loss += config.resolved("beta") * kl.sum()
    if config.weight_decay:
        loss += config.weight_decay / 2 * sum((w**2).sum() for w, _ in parameters)
    return loss


def cross_entropy(z: Array, target: Array) -> Array:
    """Return −log softmax of each row's class, in the mean."""
    own = jnp.take_along_axis(z, target[:, None], axis=1)
    return (jax.nn.logsumexp(z, axis=1, keepdims=True) - own).mean()


def binary_cross_entropy(z: Array, target: Array) -> Array:
    """Return that of sigmoids, in the mean over rows and columns."""
    return (jnp.maximum(z, 0) - z * target + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()


def squared_error(z: Array, target: Array) -> Array:
    """Return half of that of sigmoids, summed over columns, in the mean over rows."""
    return ((jax.nn.sigmoid(z) - target) ** 2).sum() / (2 * len(z))


LOSSES: dict[str, Loss] = {
    "softmax": cross_entropy,
    "bce": binary_cross_entropy,
    "sse": squared_error,
}


def largest(a: Array, k: int) -> Array:
    """Return a (m, h) with zeros in place of all but the k largest of each row."""
    values, columns = lax.top_k(a, k)
    return jnp.zeros_like(a).at[jnp.arange(len(a))[:, None], columns].set(values)


def adam(rate: float, state: State, gradient: Any) -> State:
    """Move the parameters."""
    parameters, first, second, steps = state
    steps += 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)

    def moved(w: Array, m: Array, v: Array) -> Array:
        return w - rate * (m / (1 - 0.9**steps)) / (jnp.sqrt(v / (1 - 0.999**steps)) + 1e-8)

    return jax.tree.map(moved, parameters, first, second), first, second, steps
