"""What is timed: five networks trained by mini-batches, one by full batches, and batch encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config, DataFacts
from gpuae.model.init import initial_parameters
from gpuae.model.network import Network

SPARSE = {"activation": "sigmoid", "loss": "sse", "sparsity": "kl", "rho": 0.1, "beta": 3.0}
SPARSE |= {"weight_decay": 3e-4}


@dataclass(frozen=True)
class Case:
    """One job.

    Attributes
    ----------
    kind
        `epochs` (mini-batches), `full_batch` (lbfgs) or `encode`.
    settings
        Those of `gpuae.config.Config` that differ from the default.
    bound, peer
        Seconds allowed, as multiples of the products alone and of the fastest peer.
    repeats
        How often a round runs the job, so that a round takes long enough to be timed.
    """

    name: str
    what: str
    columns: int
    rows: int
    settings: dict[str, Any]
    bound: float
    peer: float | None
    kind: str = "epochs"
    repeats: int = 1

    def config(self) -> Config:
        """Return the resolved configuration; training uses all rows and both cores."""
        settings = {"validation": 0.0, "device": "cpu", "scale": "unit", **self.settings}
        facts = DataFacts(self.rows, self.columns, "uint8", 0.0, 255.0)
        return Config.parse(settings).resolve(facts)

    def network(self) -> Network:
        """Return the network."""
        return Network.build(self.config(), self.columns)

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

    def weights(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return each layer's weight (n_in, n_out) and bias (n_out,) to start from."""
        network = self.network()
        flat = initial_parameters(network, self.config()).astype(np.float32)
        return [(own.weight.copy(), own.bias.copy()) for own in network.views(flat)]


CASES = {
    case.name: case
    for case in (
        Case(
            "sparse",
            "784-200-784, sigmoid, sse, KL, decay, batch 256",
            784,
            60_000,
            {"hidden": (200,), "batch_size": 256, **SPARSE},
            bound=1.25,
            peer=0.80,
        ),
        Case(
            "deep",
            "784-128-32-128-784, relu, bce, batch 256",
            784,
            60_000,
            {"hidden": (128, 32), "activation": "relu", "loss": "bce", "batch_size": 256},
            bound=1.35,
            peer=0.95,
        ),
        Case(
            "denoise",
            "784-1000-784, relu, bce, masking 0.3, dropout 0.2, batch 256",
            784,
            20_000,
            {
                "hidden": (1000,),
                "activation": "relu",
                "loss": "bce",
                "batch_size": 256,
                "noise": "masking",
                "noise_level": 0.3,
                "dropout": 0.2,
            },
            bound=1.20,
            peer=0.82,
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
                "batch_size": 1000,
            },
            bound=1.08,
            peer=0.95,
        ),
        Case(
            "small",
            "64-25-64, sigmoid, sse, KL, decay, batch 32",
            64,
            8_000,
            {"hidden": (25,), "batch_size": 32, **SPARSE},
            bound=2.6,
            peer=1.0,
            repeats=20,
        ),
        Case(
            "lbfgs",
            "784-196-784, sigmoid, sse, KL, decay, 10,000 rows, an evaluation (SciPy in float64)",
            784,
            10_000,
            {"hidden": (196,), "optimizer": "lbfgs", "batch_size": None, **SPARSE},
            bound=1.3,
            peer=1 / 8,
            kind="full_batch",
        ),
        Case(
            "encode",
            "bytes to 200 codes, HDF5 to HDF5",
            784,
            60_000,
            {"hidden": (200,), "batch_size": 256, **SPARSE},
            bound=1.8,
            peer=None,
            kind="encode",
        ),
    )
}
