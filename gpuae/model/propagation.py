"""Forward and backward through the network, a tile of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.backends.ops import Array, Ops, Rows
from gpuae.config import Config
from gpuae.functions.losses import LOSSES
from gpuae.model.network import Network, ParameterGroup, Parameters
from gpuae.model.tile import SparseCode, Tile


@dataclass(frozen=True)
class Sums:
    """What a pass adds up over its rows, in float64.

    Attributes
    ----------
    loss
        Σ_rows loss(x̂, x), (1,).
    code
        What the rule for the code adds up row by row, (1,).
    units
        Σ_rows a of each code unit, (k,), where the rule needs it.
    """

    loss: Array
    code: Array
    units: Array

    @classmethod
    def allocate(cls, ops: Ops, network: Network) -> Sums:
        """Allocate sums of zero."""
        return cls(
            ops.zeros((1,), "float64"),
            ops.zeros((1,), "float64"),
            ops.zeros((network.code_size,), "float64"),
        )

    def clear(self, ops: Ops) -> None:
        """Set all sums to zero."""
        for array in (self.loss, self.code, self.units):
            ops.fill(array, 0.0)


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
            self.config.code_rule.add(self.ops, code, sums.units, sums.code)

    def decode(self, tile: Tile, dropout_of: Rows | None) -> None:
        """Bring a tile from the code to the last layer's products, which await bias and f."""
        last = len(self.network.layers) - 1
        for index in range(self.network.depth, last):
            self._hidden(index, tile, dropout_of)
        self._product(last, tile)

    def reconstruct(self, tile: Tile) -> Array:
        """Finish what `decode` left and return x̂, (m, d)."""
        output = tile.activations[-1]
        layer = self.network.layers[-1]
        self.ops.bias_activation(output, self.parameters[-1].bias, layer.activation)
        return output

    def add_loss(self, tile: Tile, sums: Sums) -> None:
        """Finish what `decode` left, as `reconstruct` does, and add the loss."""
        self.ops.output_loss(
            tile.activations[-1],
            self.parameters[-1].bias,
            tile.target,
            self.network.layers[-1].activation,
            self.config.loss,
            sums.loss,
            LOSSES[self.config.loss].parameter_of(self.config),
        )

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
        self.ops.output_delta(
            tile.activations[-1],
            self.parameters[-1].bias,
            tile.target,
            self.network.layers[-1].activation,
            self.config.loss,
            rows_of_step,
            sums.loss,
            bias_gradients[-1],
            accumulate,
            LOSSES[self.config.loss].parameter_of(self.config),
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
            if tile.sparse is not None and user - self.network.code in (0, 1):
                self._sparse_gradient(user, tile, tile.sparse, rows, out, accumulate)
                accumulate = True
                continue
            across, along = tile.inputs(user), tile.delta(user)
            if self.network.layers[user].transposed:
                across, along = along, across
            self.ops.gemm(across[:, rows], along, out, transpose_a=True, accumulate=accumulate)
            accumulate = True

    def _sparse_gradient(
        self, user: int, tile: Tile, code: SparseCode, rows: slice, out: Array, accumulate: bool
    ) -> None:
        """Do it for the weight before the code or after it, of which few units are active."""
        if user == self.network.code:
            own = (tile.inputs(user), code.indices, code.delta)
            self.ops.sparse_outer_columns(*own, rows, out, accumulate)
        else:
            own = (code.indices, code.values, tile.delta(user))
            self.ops.sparse_outer_rows(*own, rows, out, accumulate)

    def _product(self, index: int, tile: Tile) -> None:
        if tile.sparse is not None and index == self.network.code + 1:
            code, weight = tile.sparse, self.parameters[index].weight
            self.ops.sparse_product(code.indices, code.values, weight, tile.activations[index])
            return
        self.ops.gemm(
            tile.inputs(index),
            self.parameters[index].weight,
            tile.activations[index],
            transpose_b=self.network.layers[index].transposed,
        )

    def _hidden(self, index: int, tile: Tile, dropout_of: Rows | None) -> None:
        layer, bias = self.network.layers[index], self.parameters[index].bias
        activation, mask, out = tile.activations[index], tile.masks[index], tile.outputs[index]
        z = tile.preactivations[index]
        rate, seed = self.config.dropout, self.config.seed
        self._product(index, tile)
        if tile.sparse is not None and index == self.network.code:
            code = tile.sparse
            self.ops.bias_activation(activation, bias, layer.activation)
            own = (activation, code.indices, code.values)
            self.config.code_rule.select_sparse(self.ops, self.config, *own)
        elif self.config.code_rule.selects and index == self.network.code:
            self.ops.bias_activation(activation, bias, layer.activation, z)
            self.config.code_rule.select(self.ops, self.config, activation, mask)
            if dropout_of is not None and rate:
                self.ops.dropout_mask(dropout_of, layer.number, rate, seed, mask, combine=True)
            self.ops.multiply(activation, mask, out)
        elif dropout_of is not None and rate:
            drawn = (layer.number, rate, seed, mask, out)
            self.ops.bias_activation_dropout(
                dropout_of, activation, bias, layer.activation, *drawn, z
            )
        else:
            self.ops.bias_activation(activation, bias, layer.activation, z)

    def _hidden_delta(
        self,
        index: int,
        tile: Tile,
        rows_of_step: int,
        slope: Array | None,
        bias_gradient: Array,
        accumulate: bool,
    ) -> None:
        following = self.network.layers[index + 1]
        weight = self.parameters[index + 1].weight
        if tile.sparse is not None and index == self.network.code:
            own, activation = tile.sparse, self.network.layers[index].activation
            self.ops.sparse_delta(own.indices, tile.delta(index + 1), weight, own.delta)
            self.ops.sparse_hidden_delta(
                own.delta, own.values, own.indices, activation, bias_gradient, accumulate
            )
            return
        delta = tile.deltas[index]
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
        )
