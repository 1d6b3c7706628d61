"""How much memory training takes, beside the data, and how much there is to compute."""

from __future__ import annotations

import numpy as np

from gpuae.backends.weighing import Work
from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.model.tile import keeps_preactivation
from gpuae.training.batches import choose_tile_rows, step_sizes
from gpuae.training.lbfgs import MEMORY
from gpuae.training.thread_pool import available_cores

PRODUCTS = 3
"""Of a layer in a step: forward, back, and the gradient of its weight."""


def bytes_needed(network: Network, config: Config, rows_held: int) -> int:
    """Return the bytes that a network takes to train with so many rows on their way at once.

    Beside the parameters there are their gradient, the optimizer's state and a copy to go back to,
    and they are copied at the end: six vectors of that size, and with lbfgs more. And each row has
    its input, activations and deltas, and preactivations where they are kept. Of what is rounded to
    bfloat16 for products there is a copy of two bytes each.
    """
    vectors = 7 + 2 * (MEMORY + 1) if config.full_batch else 6
    widths = 2 * network.columns + 2 * sum(layer.n_out for layer in network.layers)
    widths += sum(layer.n_out for layer in network.layers[:-1] if keeps_preactivation(layer))
    numbers = vectors * network.size + rows_held * widths
    copies = network.n_weights + rows_held * widths if config.precision == "bf16" else 0
    return numbers * np.dtype(config.dtype).itemsize + 2 * copies


def work_of(network: Network, config: Config, rows: int, row_bytes: float) -> Work:
    """Return what there is to compute, at the most: all epochs of all networks on so many rows."""
    epochs = config.resolved("epochs") * max(1, config.folds or 1)
    batch = min(config.batch_size or rows, rows)
    busy = -(-batch // choose_tile_rows(config, network, batch))
    return Work(
        steps=epochs * len(step_sizes(rows, batch)),
        flops=2.0 * PRODUCTS * network.n_weights * rows * epochs,
        moved=rows * row_bytes,
        double=config.dtype == "float64",
        busy=min(busy, config.threads or available_cores()),
    )
