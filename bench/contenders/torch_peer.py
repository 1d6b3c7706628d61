"""PyTorch: eager, and with the loss compiled by `torch.compile`."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from bench.cases import Case
from gpuae.config import Config

ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu}


class Autoencoder(nn.Module):
    """Encoder and decoder with the case's objective."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.config: Config = case.config()
        self.depth = len(self.config.resolved_hidden)
        layers = []
        for weight, bias in case.weights():
            layer = nn.Linear(*weight.shape)
            layer.weight.data = torch.from_numpy(weight.T.copy())
            layer.bias.data = torch.from_numpy(bias)
            layers.append(layer)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the objective of a batch."""
        config, a = self.config, x
        if config.noise == "masking":
            a = x * (torch.rand_like(x) >= config.noise_level)
        for i, layer in enumerate(self.layers[:-1]):
            a = ACTIVATIONS[config.activation](layer(a))
            if i == self.depth - 1:
                code = a
            if config.dropout:
                a = nn.functional.dropout(a, config.dropout)
        z = self.layers[-1](a)
        if config.loss == "bce":
            loss = nn.functional.binary_cross_entropy_with_logits(z, x)
        else:
            loss = ((torch.sigmoid(z) - x) ** 2).sum() / (2 * len(x))
        if config.sparsity == "kl":
            rho, mean = config.rho, code.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            loss = loss + config.beta * kl.sum()
        if config.weight_decay:
            squares = sum((layer.weight**2).sum() for layer in self.layers)
            loss = loss + config.weight_decay / 2 * squares
        return loss


def prepare(case: Case, mode: str) -> Callable[[], tuple[float, float]]:
    """Bring the data to memory as float32 and build the model."""
    torch.manual_seed(0)
    x = torch.from_numpy(case.data()).float() / 255
    model = Autoencoder(case)
    optimizer = torch.optim.Adam(model.parameters(), model.config.learning_rate, fused=True)
    objective = torch.compile(model) if mode == "compile" else model
    batch = model.config.batch_size

    def epoch() -> float:
        total = torch.zeros(())
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            loss = objective(x[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        return float(total) / len(x)

    def run() -> tuple[float, float]:
        began = time.perf_counter()
        for _ in range(case.repeats):
            loss = epoch()
        return (time.perf_counter() - began) / case.repeats, loss

    return run
