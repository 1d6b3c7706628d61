"""matplotlib is an extra: whoever draws says so before anything is computed."""

from __future__ import annotations

from importlib.util import find_spec

from gpuae.errors import ConfigError


def check_matplotlib() -> None:
    """Refuse to go on without matplotlib.

    Raises
    ------
    ConfigError
        Where it is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "figures are drawn by matplotlib, which is not installed; `pip install 'gpuae[plot]'`"
        )
