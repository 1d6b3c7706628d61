"""PyTorch: eager, under `torch.compile`, and on a GPU with each step as a captured graph."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import chain
from typing import Any

from gpuae.benchmark.cases import Case
from gpuae.benchmark.contenders import Job, Run, timed
from gpuae.config import Config

torch: Any = import_module("torch")
Tensor = Any
Step = Callable[[Tensor], Tensor]
"""Takes the numbers of a batch's rows, trains on them and returns the loss, all on the device."""


def prepare(job: Job) -> Run:
    """Bring the data to the device as float32 and build the model."""
    device = torch.device(job.device if job.on_gpu else "cpu")
    if job.threads:
        torch.set_num_threads(job.threads)
    torch.set_float32_matmul_precision("highest")  # no TF32
    torch.manual_seed(0)
    x = torch.from_numpy(job.case.data()).to(device).float() / 255
    layers = _layers(job.case).to(device)
    batch = job.case.batch_size
    step = _step(job, x, layers)

    def epoch() -> Tensor:
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(x), device=device).split(batch):
            total += step(rows) * len(rows)
        return total / len(x)

    return timed(epoch)


def _layers(case: Case) -> Any:
    layers = []
    for weight, bias in case.weights():
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data = torch.from_numpy(weight.T.copy())
        layer.bias.data = torch.from_numpy(bias)
        layers.append(layer)
    return torch.nn.ModuleList(layers)


def _step(job: Job, x: Tensor, layers: Any) -> Step:
    """Return a step in the job's mode: `eager`, `compile` or `graph`."""
    objective = _objective(job.config, layers)
    if job.mode == "compile":
        way = {"mode": "max-autotune"} if job.on_gpu else {}
        objective = torch.compile(objective, dynamic=False, **way)
    captured = job.mode == "graph"
    options = {"lr": job.config.learning_rate, "fused": True, "capturable": captured}
    optimizer = torch.optim.Adam(layers.parameters(), **options)

    def step(rows: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = objective(x[rows])
        loss.backward()
        optimizer.step()
        return loss.detach()

    return _captured(step, optimizer, layers, job.case.batch_size, x.device) if captured else step


def _objective(config: Config, layers: Any) -> Callable[[Tensor], Tensor]:
    """Return the objective of a batch as a function of its rows."""
    f = {"sigmoid": torch.sigmoid, "relu": torch.relu}[config.resolved("activation")]
    dropout = torch.nn.functional.dropout
    depth = len(config.resolved_hidden)

    def objective(x: Tensor) -> Tensor:
        a = x
        if config.noise == "masking":
            a = x * (torch.rand_like(x) >= config.of_layer("noise_level", -1))
        for i, layer in enumerate(layers[:-1]):
            a = f(layer(a))
            if i == depth - 1:
                code = a
                a = _largest(a, config.of_layer("k", -1)) if config.sparsity == "topk" else a
            if config.drops:
                a = dropout(a, config.of_layer("dropout", -1))
        z = layers[-1](a)
        if config.loss == "bce":
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, x)
        else:
            loss = ((torch.sigmoid(z) - x) ** 2).sum() / (2 * len(x))
        if config.code_rule.reduces:
            rho, mean = config.of_layer("rho", -1), code.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            loss = loss + config.resolved("beta") * kl.sum()
        if config.weight_decay:
            squares = sum((layer.weight**2).sum() for layer in layers)
            loss = loss + config.weight_decay / 2 * squares
        return loss

    return objective


def _largest(a: Tensor, k: int) -> Tensor:
    """Return a (m, h) with zeros in place of all but the k largest of each row."""
    values, columns = a.topk(k, dim=1, sorted=False)
    return torch.zeros_like(a).scatter(1, columns, values)


def _captured(step: Step, optimizer: Any, layers: Any, batch: int, device: Any) -> Step:
    """Return the step as a graph for whole batches; a shorter one is taken as it comes."""
    numbers = torch.zeros(batch, dtype=torch.int64, device=device)
    before = [weight.detach().clone() for weight in layers.parameters()]
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries load and memory is found before the capture
            step(numbers)
    torch.cuda.current_stream(device).wait_stream(side)
    optimizer.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(numbers)
    with torch.no_grad():  # forget what the first steps learnt
        for weight, start in zip(layers.parameters(), before, strict=True):
            weight.copy_(start)
        for moment in chain.from_iterable(own.values() for own in optimizer.state.values()):
            moment.zero_()

    def replay(rows: Tensor) -> Tensor:
        if len(rows) < batch:
            return step(rows)
        numbers.copy_(rows)
        graph.replay()
        return loss

    return replay
