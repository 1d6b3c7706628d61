"""The buffers that a few rows of a step go through, allocated once and used again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from gpuae.backends.ops import Array, Ops, sparse_pays
from gpuae.config import Config
from gpuae.functions.activations import ACTIVATIONS
from gpuae.model.network import Layer, Network


@dataclass(frozen=True)
class SparseCode:
    """The units of a code that stay in each row; all others are 0.

    Attributes
    ----------
    indices
        Of the units, ascending, (m, k), int32.
    values
        Their activations, (m, k).
    delta
        ∂J/∂z of the same, (m, k).
    """

    indices: Array
    values: Array
    delta: Array

    @classmethod
    def allocate(cls, ops: Ops, rows: int, k: int, dtype: str) -> SparseCode:
        """Allocate for up to `rows` rows."""
        shape = (rows, k)
        return cls(ops.empty(shape, "int32"), ops.empty(shape, dtype), ops.empty(shape, dtype))


@dataclass(frozen=True)
class Tile:
    """Buffers for m rows; one list entry for each layer, None where nothing is needed.

    Attributes
    ----------
    scaled
        Rows before whitening, (m, d).
    clean, noisy
        Rows as they are and the network's input, (m, d); the same buffer when there is no noise.
    target
        What the output should be, (m, outputs): clean, unless rows have targets of their own.
    counts
        Counts in one total, (m, d), where the output is such and the input their logarithms; the
        same buffer as the target.
    activations
        f of each layer before any mask; of the last layer first the products, then x̂ or the delta.
    preactivations
        z of each hidden layer, in training, where f′ needs it.
    masks, outputs
        What topk and dropout leave of a hidden activation, and the product of the two.
    deltas
        ∂J/∂z of each hidden layer; empty outside training.
    sparse
        The code in training, where few of its units stay: it takes the place of the code's mask,
        output and delta.
    row_weights
        How much each row counts, (m, 1); None: all the same.
    part, target_part
        Room for some columns of the output and of the target, of which each row is as wide as the
        widest part of the outputs; only where there are categories.
    """

    scaled: Array | None
    clean: Array
    noisy: Array
    target: Array
    activations: tuple[Array, ...]
    preactivations: tuple[Array | None, ...]
    masks: tuple[Array | None, ...]
    outputs: tuple[Array, ...]
    deltas: tuple[Array | None, ...]
    sparse: SparseCode | None = None
    row_weights: Array | None = None
    part: Array | None = None
    target_part: Array | None = None
    counts: Array | None = None

    @classmethod
    def allocate(
        cls,
        ops: Ops,
        network: Network,
        config: Config,
        rows: int,
        *,
        training: bool,
        targets: bool = False,
        row_weights: bool = False,
    ) -> Tile:
        """Allocate what a configuration needs for up to `rows` rows.

        `targets` says that rows have targets of their own, `row_weights` that they have weights.
        """

        def matrix(columns: int) -> Array:
            return ops.empty((rows, columns), config.dtype)

        clean = matrix(network.columns)
        rebuilds_counts = config.rebuilds_counts and not network.classifies
        counts = matrix(network.columns) if rebuilds_counts else None
        activations = tuple(matrix(layer.n_out) for layer in network.layers)
        hidden = network.layers[:-1]
        widest = max(network.numbers, *network.categories) if network.categories else 0
        sparse = training and has_sparse_code(network, config)
        masked = [
            not (sparse and i == network.code) and _is_masked(config, network, i, training)
            for i in range(len(hidden))
        ]
        masks = tuple(matrix(hidden[i].n_out) if masked[i] else None for i in range(len(hidden)))
        return cls(
            scaled=matrix(network.columns) if config.whiten != "none" else None,
            clean=clean,
            noisy=matrix(network.columns) if training and config.noise != "none" else clean,
            target=matrix(network.outputs) if targets else clean if counts is None else counts,
            activations=activations,
            preactivations=tuple(
                matrix(layer.n_out) if training and keeps_preactivation(layer) else None
                for layer in hidden
            ),
            masks=masks,
            outputs=tuple(
                matrix(hidden[i].n_out) if masked[i] else activations[i] for i in range(len(hidden))
            ),
            deltas=tuple(
                None if sparse and i == network.code else matrix(layer.n_out)
                for i, layer in enumerate(hidden)
            )
            if training
            else (),
            sparse=SparseCode.allocate(ops, rows, config.of_layer("k", -1), config.dtype)
            if sparse
            else None,
            row_weights=matrix(1) if row_weights else None,
            part=matrix(widest) if widest else None,
            target_part=matrix(widest) if widest else None,
            counts=counts,
        )

    @property
    def rows(self) -> int:
        """Number of rows, m."""
        return int(self.clean.shape[0])

    def inputs(self, layer: int) -> Array:
        """Return what the layer with this index (from 0) is given."""
        return self.outputs[layer - 1] if layer else self.noisy

    def with_encoder(self, activations: tuple[Array, ...]) -> Tile:
        """Return the tile with other buffers (m, n_out) for the encoder's layers, without masks."""
        depth = len(activations)
        return replace(
            self,
            activations=activations + self.activations[depth:],
            outputs=activations + self.outputs[depth:],
        )

    def rows_between(self, start: int, stop: int) -> Tile:
        """View some of the rows as a tile of their own."""
        if (start, stop) == (0, self.rows):
            return self
        return Tile(
            **{
                field.name: _rows_between(getattr(self, field.name), start, stop)
                for field in fields(self)
            }
        )

    def delta(self, layer: int) -> Array:
        """Return ∂J/∂z of the layer with this index (from 0), once it has been computed."""
        return self.deltas[layer] if layer < len(self.deltas) else self.activations[layer]


def keeps_preactivation(layer: Layer) -> bool:
    """Whether the backward pass needs a hidden layer's z."""
    return ACTIVATIONS[layer.activation].needs_z


def has_sparse_code(network: Network, config: Config) -> bool:
    """Whether training takes only those units of a code that stay, rather than all of them.

    Only where that is faster, and where the code is the first layer and the one after it reads its
    weight by rows.
    """
    rule, own = config.code_rule, network.layers[network.code]
    alone = network.code == 0 and not network.layers[1].transposed
    if not (rule.selects and alone and sparse_pays(config.of_layer("k", -1), own.n_out)):
        return False
    return not (config.drops or keeps_preactivation(own))


def dropout_rate(network: Network, config: Config, layer: int) -> float:
    """Return the rate of the hidden layer with this index; the decoder has the encoder's."""
    rate: float = config.of_layer("dropout", min(layer, 2 * network.code - layer))
    return rate


def _is_masked(config: Config, network: Network, layer: int, training: bool) -> bool:
    at_code = config.code_rule.selects and layer == network.code
    return at_code or (training and dropout_rate(network, config, layer) > 0)


def _rows_between(
    value: Array | SparseCode | tuple[Array, ...] | None, start: int, stop: int
) -> Any:
    if isinstance(value, SparseCode):
        own = (value.indices, value.values, value.delta)
        return SparseCode(*(entry[start:stop] for entry in own))
    if isinstance(value, tuple):
        return tuple(_rows_between(entry, start, stop) for entry in value)
    return None if value is None else value[start:stop]
