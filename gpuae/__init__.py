"""gpuae trains classical autoencoders on your own matrix, on the CPU or a GPU.

>>> import gpuae
>>> codes = gpuae.Autoencoder(hidden=32).fit_transform(X)      # doctest: +SKIP
>>> model = gpuae.load("model.h5")                             # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuae import plots
    from gpuae.classifier import AutoencoderClassifier
    from gpuae.errors import GpuaeWarning
    from gpuae.estimator import Autoencoder, load, stack
    from gpuae.exchange.exporting import export
    from gpuae.exchange.importing import import_model
    from gpuae.outlier_detector import OutlierDetector
    from gpuae.storage.files.limits import allow_filters, trust_size

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "GpuaeWarning",
    "OutlierDetector",
    "allow_filters",
    "export",
    "import_model",
    "load",
    "plots",
    "stack",
    "trust_size",
]


HOMES = {
    "AutoencoderClassifier": "classifier",
    "OutlierDetector": "outlier_detector",
    "allow_filters": "storage.files.limits",
    "export": "exchange.exporting",
    "import_model": "exchange.importing",
    "trust_size": "storage.files.limits",
}
"""Modules of names that are not in `gpuae.estimator`."""


def __getattr__(name: str) -> Any:
    """Import the estimator when it is first asked for: the commands start faster without it."""
    if name == "GpuaeWarning":
        from gpuae.errors import GpuaeWarning

        return GpuaeWarning
    from importlib import import_module

    if name == "plots":
        return import_module("gpuae.plots")
    if name in __all__:
        return getattr(import_module(f"gpuae.{HOMES.get(name, 'estimator')}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("gpuae")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
