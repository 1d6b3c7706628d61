"""What the last layer's products become: reconstructions, or probabilities of classes."""

from __future__ import annotations

from typing import Protocol

from gpuae.backends.ops import Array, Ops
from gpuae.config import Config
from gpuae.functions.losses import LOSSES
from gpuae.model.network import Network


class Outcome(Protocol):
    """Finishes what a network's products z (m, outputs) begin; b (outputs,) is its last bias.

    A row's loss counts by its weight, of `row_weights` (m, 1), where rows have any.
    """

    def finish(self, ops: Ops, z: Array, bias: Array) -> None:
        """Replace z by the output."""
        ...

    def add_loss(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Replace z by the output and add Σ_rows loss to total (1,), float64."""
        ...

    def delta(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        row_weights: Array | None,
    ) -> None:
        """Replace z by ∂J/∂(z + b), add the loss, and write (or add) the delta's column sums."""
        ...


class Reconstruction:
    """x̂ = f(z + b) and the loss of the settings."""

    def __init__(self, network: Network, config: Config) -> None:
        self._activation = network.layers[-1].activation
        self._loss = config.loss
        self._parameter = LOSSES[config.loss].parameter_of(config)

    def finish(self, ops: Ops, z: Array, bias: Array) -> None:
        """Replace z by x̂."""
        ops.bias_activation(z, bias, self._activation)

    def add_loss(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Replace z by x̂ and add the loss."""
        own = (self._activation, self._loss)
        ops.output_loss(z, bias, target, *own, total, self._parameter, row_weights)

    def delta(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        row_weights: Array | None,
    ) -> None:
        """Replace z by the delta."""
        ops.output_delta(
            z,
            bias,
            target,
            self._activation,
            self._loss,
            rows_of_step,
            total,
            bias_gradient,
            accumulate,
            self._parameter,
            row_weights,
        )


class Probabilities:
    """The softmax of z + b and its cross-entropy with targets that weigh the classes."""

    def finish(self, ops: Ops, z: Array, bias: Array) -> None:
        """Replace z by the probabilities."""
        ops.softmax(z, bias)

    def add_loss(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Replace z by the probabilities and add the cross-entropy."""
        ops.softmax_loss(z, bias, target, total, row_weights)

    def delta(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        row_weights: Array | None,
    ) -> None:
        """Replace z by the delta."""
        own = (rows_of_step, total, bias_gradient, accumulate)
        ops.softmax_delta(z, bias, target, *own, row_weights)


def outcome_of(network: Network, config: Config) -> Outcome:
    """Return what the outputs of a network are."""
    return Probabilities() if network.classifies else Reconstruction(network, config)
