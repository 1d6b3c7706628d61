"""PyTorch: eager, under `torch.compile`, and on a GPU with each step as a captured graph."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import chain
from typing import Any

from gpuae.benchmark.cases import Case
from gpuae.benchmark.contenders import Job, Run, timed

torch: Any = import_module("torch")
functional: Any = torch.nn.functional
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
    data = _data(job.case, device)
    layers = _layers(job.case).to(device)
    count, batch = job.case.rows, job.case.batch_size
    step = _step(job, data, layers)

    def epoch() -> Tensor:
        total = torch.zeros((), device=device)
        for rows in torch.randperm(count, device=device).split(batch):
            total += step(rows) * len(rows)
        return total / count

    return timed(epoch)


def _data(case: Case, device: Any) -> list[Tensor]:
    """Return rows, and what class each is of if it is of one; the last of these is the target."""
    x = case.data()
    rows = torch.from_numpy(x).to(device).float() / 255
    return [rows, torch.from_numpy(case.labels(x)).to(device)] if case.classes else [rows]


def _layers(case: Case) -> Any:
    layers = []
    for weight, bias in case.weights():
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data = torch.from_numpy(weight.T.copy())
        layer.bias.data = torch.from_numpy(bias)
        layers.append(layer)
    return torch.nn.ModuleList(layers)


def _step(job: Job, data: list[Tensor], layers: Any) -> Step:
    """Return a step in the job's mode: `eager`, `compile` or `graph`."""
    objective = _objective(job, layers)
    if job.mode == "compile":
        way = {"mode": "max-autotune"} if job.on_gpu else {}
        objective = torch.compile(objective, dynamic=False, **way)
    captured = job.mode == "graph"
    options = {"lr": job.config.learning_rate, "fused": True, "capturable": captured}
    optimizer = torch.optim.Adam(layers.parameters(), **options)

    def step(rows: Tensor) -> Tensor:
        optimizer.zero_grad()
        batch = [own[rows] for own in data]
        loss = objective(batch[0], batch[-1])
        loss.backward()
        optimizer.step()
        return loss.detach()

    own = (step, optimizer, layers, job.case.batch_size, data[0].device)
    return _captured(*own) if captured else step


def _objective(job: Job, layers: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the objective of a batch as a function of its rows and targets."""
    config, kind = job.config, job.case.loss
    f = {"sigmoid": torch.sigmoid, "relu": torch.relu}[config.resolved("activation")]
    depth = len(config.resolved_hidden)

    def objective(x: Tensor, target: Tensor) -> Tensor:
        a = x
        if config.noise == "masking":
            a = x * (torch.rand_like(x) >= config.of_layer("noise_level", -1))
        for i, layer in enumerate(layers[:-1]):
            a = f(layer(a))
            if i == depth - 1:
                code = a
                a = _largest(a, config.of_layer("k", -1)) if config.sparsity == "topk" else a
            if config.drops:
                a = functional.dropout(a, config.of_layer("dropout", -1))
        loss = _loss(kind, layers[-1](a), target)
        if config.code_rule.reduces:
            rho, mean = config.of_layer("rho", -1), code.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            loss = loss + config.resolved("beta") * kl.sum()
        if config.weight_decay:
            squares = sum((layer.weight**2).sum() for layer in layers)
            loss = loss + config.weight_decay / 2 * squares
        return loss

    return objective


def _loss(kind: str, z: Tensor, target: Tensor) -> Tensor:
    """Return a batch's loss of this kind from the last layer's z."""
    if kind == "softmax":
        return functional.cross_entropy(z, target)
    if kind == "bce":
        return functional.binary_cross_entropy_with_logits(z, target)
    return ((torch.sigmoid(z) - target) ** 2).sum() / (2 * len(z))


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
