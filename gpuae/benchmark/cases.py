"""What is timed: networks trained by mini-batches, on images that are made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.defaults import DataFacts, resolve
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.classifier import classifier_network
from gpuae.model.init import initial_parameters
from gpuae.model.network import Network

SPARSE = {"activation": "sigmoid", "loss": "sse", "sparsity": "kl", "rho": 0.1, "beta": 3.0}
SPARSE |= {"weight_decay": 3e-4, "init": "glorot", "output_activation": "sigmoid"}
PLAIN = {"activation": "relu", "loss": "bce", "init": "he"}
EVERY = {"scale": "unit", "schedule": "constant", "learning_rate": 1e-3}
EVERY |= {"validation": 0.0, "epochs": 50, "patience": 0}
"""Nothing that is timed is left to the data."""
BY_CHANCE = 0.2
"""Share of the rows whose class is drawn: losses that go to 0 could not be compared by shares."""


@dataclass(frozen=True)
class Case:
    """One job.

    Attributes
    ----------
    settings
        Those of `gpuae.config.Config` that differ from the default.
    classes
        That the encoder, with a softmax layer on its code, is to tell apart; 0: rows are rebuilt.
    """

    name: str
    what: str
    columns: int
    rows: int
    settings: dict[str, Any]
    classes: int = 0

    def config(self, device: str = "cpu", threads: int | None = None) -> Config:
        """Return the resolved configuration; training uses all rows."""
        machine = {"device": device, "threads": threads}
        settings = {**EVERY, **machine, **self.settings}
        facts = DataFacts(self.rows, self.columns, "uint8", 0.0, 255.0)
        return resolve(Config.parse(settings), facts).config

    @property
    def loss(self) -> str:
        """What is minimised, beside penalties: `softmax` (its cross-entropy), `bce` or `sse`."""
        return "softmax" if self.classes else self.config().resolved("loss")

    @property
    def batch_size(self) -> int:
        """Rows of a step."""
        return self.config().batch_size or self.rows

    @property
    def widths(self) -> tuple[int, ...]:
        """Of all layers, from the input to the output."""
        layers = self.network().layers
        return (self.columns, *(layer.n_out for layer in layers))

    def network(self) -> Network:
        """Return the network."""
        if self.classes:
            return classifier_network(self.config(), self.columns, self.classes)
        return mirrored_autoencoder(self.config(), self.columns)

    def data(self) -> NDArray[np.uint8]:
        """Return rows (n, d) of bytes: images of three soft blobs each on a dark background."""
        random = np.random.default_rng(1)
        side = round(self.columns**0.5)
        grid = np.linspace(-1, 1, side, dtype=np.float32)
        rows = np.zeros((self.rows, self.columns), np.float32)
        for _ in range(3):
            x, y = random.uniform(-0.7, 0.7, (2, self.rows, 1)).astype(np.float32)
            width = random.uniform(0.02, 0.15, (self.rows, 1)).astype(np.float32)
            across = np.exp(-((grid - x) ** 2) / width)
            down = np.exp(-((grid - y) ** 2) / width)
            rows += np.einsum("ni,nj->nij", down, across).reshape(self.rows, -1)
        return (255 * np.clip(rows, 0, 1)).astype(np.uint8)

    def labels(self, x: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return a class for each row of x (n, d): where its image is bright, or by chance.

        As many of each class: the direction from the middle to the centre of brightness.
        """
        random = np.random.default_rng(2)
        side = round(self.columns**0.5)
        grid, images = np.linspace(-1, 1, side), x.reshape(-1, side, side)
        turned = np.arctan2(images.sum(axis=2) @ grid, images.sum(axis=1) @ grid)
        ranks = turned.argsort(kind="stable").argsort()
        drawn = random.integers(self.classes, size=len(x))
        by_chance = random.random(len(x)) < BY_CHANCE
        return np.where(by_chance, drawn, ranks * self.classes // len(x))

    def weights(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return each layer's weight (n_in, n_out) and bias (n_out,) to start from."""
        network = mirrored_autoencoder(self.config(), self.columns)
        flat = initial_parameters(network, self.config()).astype(np.float32)
        layers = [(own.weight.copy(), own.bias.copy()) for own in network.views(flat)]
        if not self.classes:
            return layers
        softmax = np.zeros((network.code_size, self.classes), np.float32)
        return [*layers[: network.depth], (softmax, np.zeros(self.classes, np.float32))]


CASES = {
    case.name: case
    for case in (
        Case(
            "sparse",
            "784-200-784, sigmoid, sse, KL, decay, batch 256",
            784,
            60_000,
            {"hidden": (200,), "batch_size": 256, **SPARSE},
        ),
        Case(
            "deep",
            "784-128-32-128-784, relu, bce, batch 256",
            784,
            60_000,
            {"hidden": (128, 32), "batch_size": 256, **PLAIN},
        ),
        Case(
            "denoise",
            "784-1000-784, relu, bce, masking 0.3, dropout 0.2, batch 256",
            784,
            20_000,
            {
                "hidden": (1000,),
                "batch_size": 256,
                "noise": "masking",
                "noise_level": 0.3,
                "dropout": 0.2,
                **PLAIN,
            },
        ),
        Case(
            "big",
            "784-1000-500-250-30-…-784, sigmoid, bce, batch 1000",
            784,
            20_000,
            {
                "hidden": (1000, 500, 250, 30),
                "activation": "sigmoid",
                "loss": "bce",
                "init": "glorot",
                "batch_size": 1000,
            },
        ),
        Case(
            "small",
            "64-25-64, sigmoid, sse, KL, decay, batch 32",
            64,
            8_000,
            {"hidden": (25,), "batch_size": 32, **SPARSE},
        ),
        Case(
            "topk",
            "784-4096-784, relu, bce, 32 units of a row stay, batch 1024",
            784,
            8_192,
            {"hidden": (4096,), "batch_size": 1024, "sparsity": "topk", "k": 32, **PLAIN},
        ),
        Case(
            "classifier",
            "784-200-200-10, relu, softmax, batch 256",
            784,
            60_000,
            {"hidden": (200, 200), "batch_size": 256, **PLAIN},
            classes=10,
        ),
        Case(
            "classifier-big",
            "784-1000-1000-1000-10, relu, softmax, batch 256",
            784,
            10_000,
            {"hidden": (1000, 1000, 1000), "batch_size": 256, **PLAIN, "learning_rate": 1e-4},
            classes=10,
        ),
    )
}
