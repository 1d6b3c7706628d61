"""Packages that are extras: whoever needs one says so before anything is computed."""

from __future__ import annotations

from importlib.util import find_spec

from gpuae.errors import ConfigError


def check_installed(package: str, what: str, extra: str) -> None:
    """Refuse to go on without a package.

    Raises
    ------
    ConfigError
        Where it is not installed.
    """
    if find_spec(package) is None:
        raise ConfigError(
            f"{what} by {package}, which is not installed; `pip install 'gpuae[{extra}]'`"
        )
