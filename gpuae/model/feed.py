"""Raw rows into a tile, preprocessed and with noise; and the network's output back to raw units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import Array, Corruption, Ops, Rows, Scaling
from gpuae.config import Config
from gpuae.model.preprocess import Preprocess
from gpuae.model.tile import Tile


@dataclass(frozen=True)
class Targets:
    """What outputs should be, all of it on the device; `scaling` leaves it as it is."""

    source: Array
    scaling: Scaling

    @classmethod
    def create(cls, ops: Ops, targets: NDArray[Any], config: Config) -> Targets:
        """Bring targets (n, outputs), of any real type, to the device."""
        number = np.result_type(targets.dtype, config.dtype)
        return cls(ops.asarray(targets), _as_it_is(ops, targets.shape[1], number))


@dataclass(frozen=True)
class Logs:
    """How rows of counts become logarithms: their common total, and what is subtracted, (d,)."""

    total: float
    center: Array


@dataclass(frozen=True)
class Feed:
    """Loads rows of one source; everything it needs is on the device."""

    ops: Ops
    source: Array
    scaling: Scaling
    whiten: Array | None
    shift: Array | None
    """What is left to add to scaled rows before they are whitened, (d,)."""
    noise: Corruption | None
    targets: Targets | None = None
    """Where rows have targets of their own."""
    row_weights: Targets | None = None
    """How much each row counts, (n, 1), where that is not the same."""
    logs: Logs | None = None
    """Of rows of counts, which `scaling` then leaves as they are."""

    @classmethod
    def create(
        cls,
        ops: Ops,
        source: NDArray[Any],
        preprocess: Preprocess,
        config: Config,
        *,
        noisy: bool,
        targets: NDArray[Any] | None = None,
        row_weights: NDArray[Any] | None = None,
    ) -> Feed:
        """Prepare to load rows of `source` (n, d), of any real type, on the device.

        `targets` (n, outputs) are taken as they are; without them a row is its own target. So are
        `row_weights` (n, 1); without them all rows count the same.
        """

        def beside(own: NDArray[Any] | None) -> Targets | None:
            return None if own is None else Targets.create(ops, own, config)

        def vector(values: NDArray[Any]) -> Array:
            return ops.asarray(values.astype(config.dtype))

        noise, whitening = None, preprocess.whitening
        if noisy and config.noise != "none":
            clipped = config.noise == "clipped_gaussian"
            ends = preprocess.ends() if clipped else (preprocess.low, preprocess.high)
            level, (low, high) = config.of_layer("noise_level", 0), map(vector, ends)
            noise = Corruption(config.noise, level, config.seed, low, high)
        logs, scaling = None, None
        if preprocess.total is not None:
            logs = Logs(preprocess.total, vector(preprocess.centers()[0]))
            number = np.result_type(source.dtype, config.dtype)
            scaling = _as_it_is(ops, source.shape[1], number)
        return cls(
            ops=ops,
            source=ops.asarray(source),
            scaling=scaling or _scaling(ops, preprocess, _number(preprocess, source.dtype, config)),
            whiten=vector(whitening.forward) if whitening else None,
            shift=vector(-preprocess.centers()[1]) if whitening else None,
            noise=noise,
            targets=beside(targets),
            row_weights=beside(row_weights),
            logs=logs,
        )

    def load(self, tile: Tile, rows: Rows) -> None:
        """Fill the tile's clean and noisy rows, their targets and their weights."""
        self._load_beside(self.targets, tile.target, rows)
        self._load_beside(self.row_weights, tile.row_weights, rows)
        if self.whiten is None and self.noise is not None and self.logs is None:
            self.ops.gather_corrupt(
                rows, self.source, self.scaling, self.noise, tile.clean, tile.noisy
            )
            return
        self._load_clean(tile, rows)
        if self.noise is not None:
            self.ops.corrupt(rows, tile.clean, self.noise, tile.noisy)

    def _load_beside(self, source: Targets | None, out: Array, rows: Rows) -> None:
        """Load what belongs to rows: unlike them it is all there, at their numbers."""
        if source is not None:
            self.ops.gather(replace(rows, places=None), source.source, source.scaling, out)

    def _load_clean(self, tile: Tile, rows: Rows) -> None:
        if self.whiten is None:
            self._load_scaled(tile.clean, tile.counts, rows)
            return
        self._load_scaled(tile.scaled, tile.counts, rows)
        self.ops.bias_activation(tile.scaled, self.shift, "identity")
        self.ops.gemm(tile.scaled, self.whiten, tile.clean)

    def _load_scaled(self, out: Array, counts: Array | None, rows: Rows) -> None:
        """Load scaled rows into out (m, d); of logarithms, also what they are of, where wanted."""
        if self.logs is None:
            self.ops.gather(rows, self.source, self.scaling, out)
            return
        own = out if counts is None else counts
        self.ops.gather(rows, self.source, self.scaling, own)
        self.ops.normalize_rows(own, self.logs.total)
        self.ops.log1p(own, self.logs.center, out)


@dataclass(frozen=True)
class Restore:
    """Inverts the preprocessing of outputs; but logarithms of counts stay logarithms."""

    ops: Ops
    scaling: Scaling
    unwhiten: Array | None
    shift: Array | None

    @classmethod
    def create(cls, ops: Ops, preprocess: Preprocess, config: Config) -> Restore:
        """Prepare the way back from what a configuration's preprocessing does."""
        whitening = preprocess.whitening
        scaling = _scaling(ops, preprocess, np.dtype(np.float64))
        if whitening is None:
            return cls(ops, scaling, None, None)
        unwhiten = ops.asarray(whitening.back.astype(config.dtype))
        shift = ops.asarray(preprocess.centers()[1].astype(config.dtype))
        return cls(ops, scaling, unwhiten, shift)

    def apply(self, outputs: Array, scratch: Array | None, out: Array) -> None:
        """Write preprocessed outputs (m, d) into out (m, d) in the data's own units.

        `scratch`, of the same shape, is needed where the data are whitened.
        """
        scaled = outputs
        if self.unwhiten is not None:
            self.ops.gemm(outputs, self.unwhiten, scratch)
            self.ops.bias_activation(scratch, self.shift, "identity")
            scaled = scratch
        self.ops.unscale(scaled, self.scaling, out)


def _as_it_is(ops: Ops, columns: int, number: np.dtype[Any]) -> Scaling:
    zeros, ones = (ops.asarray(own(columns, number)) for own in (np.zeros, np.ones))
    return Scaling(zeros, ones, -math.inf, math.inf)


def _number(preprocess: Preprocess, source: np.dtype[Any], config: Config) -> np.dtype[Any]:
    """Return the type to scale rows in: float64 takes longer, so only where it shows."""
    common = np.result_type(source, config.dtype)
    return np.dtype(np.float64) if preprocess.is_lost_in(common) else common


def _scaling(ops: Ops, preprocess: Preprocess, dtype: np.dtype[Any]) -> Scaling:
    return Scaling(
        center=ops.asarray(preprocess.centers()[0].astype(dtype)),
        factor=ops.asarray(preprocess.factor.astype(dtype)),
        low=preprocess.clip_low,
        high=preprocess.clip_high,
    )
