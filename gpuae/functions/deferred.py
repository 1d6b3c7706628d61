"""Modules that are imported when they are first used: `gpuae fit --help` computes nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)
