"""Forward and backward through a network of whose code few units of a row are active."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.backends.ops import Array, Ops, Rows
from gpuae.config import Config
from gpuae.model.network import Network, Parameters
from gpuae.model.propagation import Propagation
from gpuae.model.tile import SparseCode, Tile, has_sparse_code


def training_propagation(
    ops: Ops, network: Network, config: Config, parameters: tuple[Parameters, ...]
) -> Propagation:
    """Return the passes for tiles allocated for training."""
    kind = SparsePropagation if has_sparse_code(network, config) else Propagation
    return kind(ops, network, config, parameters)


@dataclass(frozen=True)
class SparsePropagation(Propagation):
    """The passes that take only the active units of the code, and the weights' rows for them.

    Tiles are those of `has_sparse_code`: the code is the first layer, without dropout, and the
    layer after it reads its weight by rows.
    """

    def _hidden(self, index: int, tile: Tile, dropout_of: Rows | None) -> None:
        if index != self.network.code:
            super()._hidden(index, tile, dropout_of)
            return
        code, activation = _code_of(tile), tile.activations[index]
        self._product(index, tile)
        self._activated(index, tile)
        own = (activation, code.indices, code.values)
        self.config.code_rule.select_sparse(self.ops, self.config, *own)

    def _product(self, index: int, tile: Tile) -> None:
        if index != self.network.code + 1:
            super()._product(index, tile)
            return
        code, weight = _code_of(tile), self.parameters[index].weight
        self.ops.sparse_product(code.indices, code.values, weight, tile.activations[index])

    def _hidden_delta(
        self,
        index: int,
        tile: Tile,
        rows_of_step: int,
        slope: Array | None,
        bias_gradient: Array,
        accumulate: bool,
    ) -> None:
        if index != self.network.code:
            own = (index, tile, rows_of_step, slope, bias_gradient, accumulate)
            super()._hidden_delta(*own)
            return
        code, activation = _code_of(tile), self.network.layers[index].activation
        weight = self.parameters[index + 1].weight
        self.ops.sparse_delta(code.indices, tile.delta(index + 1), weight, code.delta)
        self.ops.sparse_hidden_delta(
            code.delta, code.values, code.indices, activation, bias_gradient, accumulate
        )

    def _outer_product(
        self, index: int, tile: Tile, rows: slice, out: Array, accumulate: bool
    ) -> None:
        code = _code_of(tile)
        if index == self.network.code:
            own = (tile.inputs(index), code.indices, code.delta)
            self.ops.sparse_outer_columns(*own, rows, out, accumulate)
        elif index == self.network.code + 1:
            own = (code.indices, code.values, tile.delta(index))
            self.ops.sparse_outer_rows(*own, rows, out, accumulate)
        else:
            super()._outer_product(index, tile, rows, out, accumulate)


def _code_of(tile: Tile) -> SparseCode:
    assert tile.sparse is not None
    return tile.sparse
