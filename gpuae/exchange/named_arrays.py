"""The arrays of a computation by name, and the computation that named arrays make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.exchange.computation import Computation, Dense, Matrix
from gpuae.model.preprocess import Preprocess

PREPROCESS = "preprocess"
PARTS = ("encoder", "decoder")


@dataclass(frozen=True)
class Naming:
    """How arrays are named and laid out.

    Attributes
    ----------
    step
        From the number of a layer to that of the next.
    transposed
        Whether a weight is (n_out, n_in) rather than (n_in, n_out).
    """

    step: int
    transposed: bool

    def arrays(self, computation: Computation) -> dict[str, NDArray[Any]]:
        """Return all arrays: those of the scaling in float64, the others in the model's type."""
        scaling: dict[str, NDArray[Any]] = computation.preprocess.arrays()
        found = {f"{PREPROCESS}.{name}": own for name, own in scaling.items()}
        for part in PARTS:
            for place, layer in enumerate(getattr(computation, part)):
                weight = layer.weight.T if self.transposed else layer.weight
                name = f"{part}.{self.step * place}"
                found[f"{name}.weight"] = np.ascontiguousarray(weight)
                found[f"{name}.bias"] = layer.bias
        return found

    def computation(self, arrays: Mapping[str, Matrix], like: Computation) -> Computation:
        """Return what arrays of these names compute, with the activations of another one."""
        first = len(PREPROCESS) + 1
        scaling = {name[first:]: own for name, own in arrays.items() if name.startswith(PREPROCESS)}
        encoder, decoder = (self._layers(arrays, part, getattr(like, part)) for part in PARTS)
        own = Preprocess.from_arrays(scaling)
        return replace(like, preprocess=own, encoder=encoder, decoder=decoder)

    def _layers(
        self, arrays: Mapping[str, Matrix], part: str, like: tuple[Dense, ...]
    ) -> tuple[Dense, ...]:
        found = []
        for place, layer in enumerate(like):
            name = f"{part}.{self.step * place}"
            weight = arrays[f"{name}.weight"]
            own = weight.T if self.transposed else weight
            found.append(replace(layer, weight=own, bias=arrays[f"{name}.bias"]))
        return tuple(found)


AS_HERE = Naming(step=1, transposed=False)
"""As gpuae's own files have them."""
AS_IN_TORCH = Naming(step=2, transposed=True)
"""As `torch.nn.Sequential` of linear layers and activations has them."""
