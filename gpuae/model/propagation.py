"""Forward and backward through the network, a tile of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.backends.ops import Array, Ops, Rows
from gpuae.config import Config
from gpuae.model.network import Network, ParameterGroup, Parameters
from gpuae.model.outcome import Outcome, outcome_of
from gpuae.model.tile import Tile, dropout_rate


@dataclass(frozen=True)
class Sums:
    """What a pass adds up over its rows, in float64.

    Attributes
    ----------
    loss
        Σ_rows w·loss(x̂, x), (1,).
    code
        What the rule for the code adds up row by row, (1,).
    units
        Σ_rows w·a of each code unit, (k,), where the rule needs it; where rows have weights, Σ w
        after them, (k + 1,).
    """

    loss: Array
    code: Array
    units: Array

    @classmethod
    def allocate(cls, ops: Ops, network: Network) -> Sums:
        """Allocate sums of zero, of rows without weights."""
        return cls(
            ops.zeros((1,), "float64"),
            ops.zeros((1,), "float64"),
            ops.zeros((network.code_size,), "float64"),
        )


@dataclass(frozen=True)
class Propagation:
    """The passes of one configuration over the parameters' views."""

    ops: Ops
    network: Network
    config: Config
    parameters: tuple[Parameters, ...]

    def encode(self, tile: Tile, dropout_of: Rows | None, sums: Sums | None) -> None:
        """Bring a tile's noisy rows to the code.

        Parameters
        ----------
        dropout_of
            In training, the rows (for which dropout is drawn); otherwise None.
        sums
            Where the code's sums that the penalty needs are added, if anywhere.
        """
        for index in range(self.network.depth):
            self._hidden(index, tile, dropout_of)
        if sums is not None:
            code = tile.activations[self.network.code]
            own = (sums.units, sums.code, tile.row_weights)
            self.config.code_rule.add(self.ops, code, *own)

    def decode(self, tile: Tile, dropout_of: Rows | None) -> None:
        """Bring a tile from the code to the last layer's products, which await bias and f."""
        last = len(self.network.layers) - 1
        for index in range(self.network.depth, last):
            self._hidden(index, tile, dropout_of)
        self._product(last, tile)

    def reconstruct(self, tile: Tile) -> Array:
        """Finish what `decode` left and return the outputs, x̂ (m, d) or probabilities."""
        output = tile.activations[-1]
        self._outcome(tile).finish(self.ops, output, self.parameters[-1].bias)
        return output

    def add_loss(self, tile: Tile, sums: Sums) -> None:
        """Finish what `decode` left, as `reconstruct` does, and add the loss."""
        own = (tile.activations[-1], self.parameters[-1].bias, tile.target)
        self._outcome(tile).add_loss(self.ops, *own, sums.loss, tile.row_weights)

    def code_slope(self, units: Array, rows: int, slope: Array, total: Array) -> None:
        """Write the penalty's derivative by a code unit (k,); add m·penalty to total (1,)."""
        activation = self.network.layers[self.network.code].activation
        rule = self.config.code_rule
        rule.slope(self.ops, self.config, units, rows, activation, slope, total)

    def backward(
        self,
        tile: Tile,
        rows_of_step: int,
        slope: Array | None,
        sums: Sums,
        bias_gradients: tuple[Array, ...],
        accumulate: bool,
    ) -> None:
        """Add the loss, compute the deltas of all layers, and write (or add) their column sums.

        Parameters
        ----------
        rows_of_step
            m of the formulas: rows of the whole step, of which the tile may be a part.
        slope
            The derivative by a code unit, (k,), of a penalty on all rows of the step, if any.
        bias_gradients
            For each layer, (n_out,); added to if `accumulate`.
        """
        last = len(self.network.layers) - 1
        self._outcome(tile).delta(
            self.ops,
            tile.activations[-1],
            self.parameters[-1].bias,
            tile.target,
            rows_of_step,
            sums.loss,
            bias_gradients[-1],
            accumulate,
            tile.row_weights,
        )
        for index in reversed(range(self.network.lowest_trained, last)):
            self._hidden_delta(index, tile, rows_of_step, slope, bias_gradients[index], accumulate)

    def weight_gradient(
        self, weight: ParameterGroup, tile: Tile, rows: slice, out: Array, accumulate: bool
    ) -> None:
        """Write (or add) some rows of ∂J/∂W, without its decay, over all rows of a tile.

        W is the weight as it is stored; it may be used by several layers.
        """
        for user in self.network.users(weight):
            self._outer_product(user, tile, rows, out, accumulate)
            accumulate = True

    def _outcome(self, tile: Tile) -> Outcome:
        return outcome_of(self.network, self.config, tile)

    def _outer_product(
        self, index: int, tile: Tile, rows: slice, out: Array, accumulate: bool
    ) -> None:
        """Write (or add) some rows of what one layer gives to the gradient of its weight."""
        across, along = tile.inputs(index), tile.delta(index)
        if self.network.layers[index].transposed:
            across, along = along, across
        self.ops.gemm(across[:, rows], along, out, transpose_a=True, accumulate=accumulate)

    def _product(self, index: int, tile: Tile) -> None:
        """Multiply a layer's inputs by its weight."""
        self.ops.gemm(
            tile.inputs(index),
            self.parameters[index].weight,
            tile.activations[index],
            transpose_b=self.network.layers[index].transposed,
        )

    def _hidden(self, index: int, tile: Tile, dropout_of: Rows | None) -> None:
        """Bring a tile through a hidden layer."""
        self._product(index, tile)
        if self.config.code_rule.selects and index == self.network.code:
            self._selected(index, tile, dropout_of)
        elif dropout_of is not None and dropout_rate(self.network, self.config, index):
            self._dropped(index, tile, dropout_of)
        else:
            self._activated(index, tile)

    def _activated(self, index: int, tile: Tile) -> None:
        own = tile.activations[index], self.parameters[index].bias
        f, z = self.network.layers[index].activation, tile.preactivations[index]
        self.ops.bias_activation(*own, f, z)

    def _selected(self, index: int, tile: Tile, dropout_of: Rows | None) -> None:
        activation, mask = tile.activations[index], tile.masks[index]
        number, rate, seed = self._dropout_of(index)
        self._activated(index, tile)
        self.config.code_rule.select(self.ops, self.config, activation, mask)
        if dropout_of is not None and rate:
            self.ops.dropout_mask(dropout_of, number, rate, seed, mask, combine=True)
        self.ops.multiply(activation, mask, tile.outputs[index])

    def _dropped(self, index: int, tile: Tile, dropout_of: Rows) -> None:
        own = tile.activations[index], self.parameters[index].bias
        f, z = self.network.layers[index].activation, tile.preactivations[index]
        number, rate, seed = self._dropout_of(index)
        kept = tile.masks[index], tile.outputs[index]
        self.ops.bias_activation_dropout(dropout_of, *own, f, number, rate, seed, *kept, z)

    def _dropout_of(self, index: int) -> tuple[int, float, int]:
        """Return what dropout of a layer is drawn by: its number, the rate and the seed."""
        rate = dropout_rate(self.network, self.config, index)
        return self.network.layers[index].number, rate, self.config.seed

    def _hidden_delta(
        self,
        index: int,
        tile: Tile,
        rows_of_step: int,
        slope: Array | None,
        bias_gradient: Array,
        accumulate: bool,
    ) -> None:
        """Bring the delta of the following layer to a hidden one."""
        following = self.network.layers[index + 1]
        weight, delta = self.parameters[index + 1].weight, tile.deltas[index]
        self.ops.gemm(tile.delta(index + 1), weight, delta, transpose_b=not following.transposed)
        at_code = index == self.network.code
        rule = self.config.code_rule
        absolute = rule.absolute_weight(self.config, rows_of_step) if at_code else 0.0
        self.ops.hidden_delta(
            delta,
            tile.activations[index],
            tile.masks[index],
            slope if at_code else None,
            absolute,
            self.network.layers[index].activation,
            bias_gradient,
            accumulate,
            tile.preactivations[index],
            tile.row_weights if at_code else None,
        )
