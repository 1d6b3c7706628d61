"""Who computes: what a trainer may ask of the threads of a machine, of a GPU, of several of either.

One step is the same everywhere. Tiles of rows go forward; when the penalty is kl they agree on ρ̂;
they go back; the gradient is computed part by part and the optimizer moves each part's parameters.
A team says who computes what and how sums come together. It runs many steps on its own, and nothing
returns to the trainer before it asks for the totals. Parameters, gradient and sums stay on the
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from gpuae.backends.ops import Array
from gpuae.model.network import Network
from gpuae.model.objective import Totals
from gpuae.training.batches import Order
from gpuae.training.optimizers import Optimizer
from gpuae.training.state import State


class Team(Protocol):
    """Trains and evaluates one network on the rows of one matrix; a context manager.

    Attributes
    ----------
    parameters
        The flat vector, moved in place.
    gradient
        The flat gradient of the last `full_gradient`.
    """

    network: Network
    parameters: Array
    gradient: Array

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def start_epoch(self, order: Order, epoch: int, rate: float, row_base: int = 0) -> None:
        """Set the order of the rows and the learning rate, and all totals to zero.

        `row_base` is the number that the first row of the matrix has in the data.
        """
        ...

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        ...

    def run(self, steps: Sequence[int], optimizer: Optimizer) -> None:
        """Take steps of so many rows each, from where the order stands.

        A caller that wants to hear of Ctrl-C sooner asks for fewer.
        """
        ...

    def state(self) -> State:
        """Return where the epoch stands, and what was added up in it."""
        ...

    def restore(self, order: Order, state: State) -> None:
        """Go on within an epoch of the same order."""
        ...

    def totals(self, rows: int) -> Totals:
        """Return what was added up since the epoch started, over so many rows."""
        ...

    def full_gradient(self, order: Order) -> Totals:
        """Compute J and its gradient over all these rows at once.

        With a KL penalty the rows are passed twice: the encoder for the exact ρ̂, then everything.
        Noise and dropout are those of epoch 0.
        """
        ...

    def evaluate(self, order: Order) -> Totals:
        """Return the sums of J over these rows without noise or dropout; parameters stay."""
        ...
