"""Raw rows into a tile, preprocessed and with noise; and the network's output back to raw units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import Array, Corruption, Ops, Rows, Scaling
from gpuae.config import Config
from gpuae.model.preprocess import Preprocess
from gpuae.model.tile import Tile


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

    @classmethod
    def create(
        cls, ops: Ops, source: NDArray[Any], preprocess: Preprocess, config: Config, *, noisy: bool
    ) -> Feed:
        """Prepare to load rows of `source` (n, d), of any real type, on the device."""

        def vector(values: NDArray[Any]) -> Array:
            return ops.asarray(values.astype(config.dtype))

        noise, whitening = None, preprocess.whitening
        if noisy and config.noise != "none":
            low, high = vector(preprocess.low), vector(preprocess.high)
            noise = Corruption(config.noise, config.noise_level, config.seed, low, high)
        return cls(
            ops=ops,
            source=ops.asarray(source),
            scaling=_scaling(ops, preprocess, _number(preprocess, source.dtype, config)),
            whiten=vector(whitening.forward) if whitening else None,
            shift=vector(-preprocess.centers()[1]) if whitening else None,
            noise=noise,
        )

    def load(self, tile: Tile, rows: Rows) -> None:
        """Fill the tile's clean and noisy rows."""
        if self.whiten is None and self.noise is not None:
            self.ops.gather_corrupt(
                rows, self.source, self.scaling, self.noise, tile.clean, tile.noisy
            )
            return
        self._load_clean(tile, rows)
        if self.noise is not None:
            self.ops.corrupt(rows, tile.clean, self.noise, tile.noisy)

    def _load_clean(self, tile: Tile, rows: Rows) -> None:
        if self.whiten is None:
            self.ops.gather(rows, self.source, self.scaling, tile.clean)
            return
        self.ops.gather(rows, self.source, self.scaling, tile.scaled)
        self.ops.bias_activation(tile.scaled, self.shift, "identity")
        self.ops.gemm(tile.scaled, self.whiten, tile.clean)


@dataclass(frozen=True)
class Restore:
    """Inverts the preprocessing of outputs."""

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
