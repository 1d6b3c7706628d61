"""What the last layer's products become: reconstructions, probabilities of classes, or both."""

from __future__ import annotations

from typing import Protocol

from gpuae.backends.ops import Array, Ops
from gpuae.config import Config
from gpuae.functions.losses import LOSSES
from gpuae.model.network import Network
from gpuae.model.tile import Tile
from gpuae.storage.rows.categorical import places


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


class Mixed:
    """Numbers first, which are a reconstruction, then groups that are probabilities each.

    The loss of a row is the sum of all their losses. Each part is brought into contiguous room
    (m, widest part) and back.

    Parameters
    ----------
    part, target_part
        Room for a part of the output, and of the target.
    """

    def __init__(self, network: Network, config: Config, part: Array, target_part: Array) -> None:
        self._part, self._target_part = part, target_part
        groups = places(network.outputs, network.categories)
        self._parts: list[tuple[Outcome, slice]] = [(Probabilities(), own) for own in groups]
        if network.numbers:
            self._parts.insert(0, (Reconstruction(network, config), slice(0, network.numbers)))

    def finish(self, ops: Ops, z: Array, bias: Array) -> None:
        """Replace z by x̂ and the probabilities."""
        for outcome, place in self._parts:
            own = _copied(ops, z, place, self._part)
            outcome.finish(ops, own, bias[place])
            _copy_back(ops, own, z, place)

    def add_loss(
        self,
        ops: Ops,
        z: Array,
        bias: Array,
        target: Array,
        total: Array,
        row_weights: Array | None,
    ) -> None:
        """Replace z by x̂ and the probabilities and add all losses."""
        for outcome, place in self._parts:
            own = _copied(ops, z, place, self._part)
            wanted = _copied(ops, target, place, self._target_part)
            outcome.add_loss(ops, own, bias[place], wanted, total, row_weights)
            _copy_back(ops, own, z, place)

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
        """Replace z by the deltas."""
        for outcome, place in self._parts:
            own = _copied(ops, z, place, self._part)
            wanted = _copied(ops, target, place, self._target_part)
            sums = (total, bias_gradient[place], accumulate)
            outcome.delta(ops, own, bias[place], wanted, rows_of_step, *sums, row_weights)
            _copy_back(ops, own, z, place)


def _copied(ops: Ops, matrix: Array, place: slice, room: Array) -> Array:
    """Copy some columns of a matrix (m, n) to the beginning of a room of as many rows."""
    rows, count = len(matrix), place.stop - place.start
    part = room.reshape(-1)[: rows * count].reshape(rows, count)
    ops.copy_columns(matrix, place.start, part, 0, count)
    return part


def _copy_back(ops: Ops, part: Array, matrix: Array, place: slice) -> None:
    ops.copy_columns(part, 0, matrix, place.start, place.stop - place.start)


def outcome_of(network: Network, config: Config, tile: Tile) -> Outcome:
    """Return what the outputs of a network are, in the buffers of a tile."""
    if network.classifies:
        return Probabilities()
    if tile.part is None or tile.target_part is None:
        return Reconstruction(network, config)
    return Mixed(network, config, tile.part, tile.target_part)
