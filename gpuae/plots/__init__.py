"""Pictures drawn by matplotlib, and in a terminal.

>>> from gpuae import plots
>>> plots.weights(model)                                       # doctest: +SKIP
>>> plots.reconstructions(model, X).savefig("rows.png")        # doctest: +SKIP

Figures are matplotlib's. A notebook shows them; pyplot does not hold them open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuae.plots.figure import draw, save
    from gpuae.plots.of_models import (
        code_map,
        codes,
        dimensions,
        errors,
        history,
        onehot,
        reconstructions,
        weights,
    )

__all__ = [
    "code_map",
    "codes",
    "dimensions",
    "draw",
    "errors",
    "history",
    "onehot",
    "reconstructions",
    "save",
    "weights",
]

HOMES = {"draw": "figure", "save": "figure"}
"""Modules of names that are not in `gpuae.plots.of_models`."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, and matplotlib only when something is drawn."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{HOMES.get(name, 'of_models')}"), name)


def __dir__() -> list[str]:
    return __all__
