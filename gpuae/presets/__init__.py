"""Sets of settings with a name: TOML files in this folder, a preset each.

A preset is nothing but settings, and any of them may be overridden. The first line of its file is a
comment that says in a sentence what it is for. The recipes of published systems set everything that
decides their result, so that another default never changes them.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

from gpuae.config import Config
from gpuae.errors import ConfigError

PURPOSES = ("compress", "outliers", "denoise", "sparse-features", "edge-filters")
"""Presets that are for a purpose and may become better; all others are recipes that stay."""

SUPERSEDED = {"hidden": "depth", "steps": "epochs", "folds": "validation"}
"""Settings which, given by a person, leave nothing for one of the preset's to say."""


@dataclass(frozen=True)
class Preset:
    """Settings under a name."""

    name: str
    text: str
    """Its TOML file."""
    settings: Mapping[str, Any]

    @classmethod
    def named(cls, name: str) -> Self:
        """Return a preset.

        Raises
        ------
        ConfigError
            For an unknown one, naming those that have a name like it.
        """
        if name not in preset_names():
            raise ConfigError(_unknown(name))
        text = resources.files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
        return cls(name, text, tomllib.loads(text))

    @property
    def purpose(self) -> str:
        """What it is for, in a sentence."""
        return self.text.partition("\n")[0].removeprefix("#").strip()

    def config(self, overrides: Mapping[str, Any], without: tuple[str, ...] = ()) -> Config:
        """Return the configuration of the preset with the settings that override it.

        Parameters
        ----------
        without
            Settings of the preset that something else than a setting takes the place of.

        Raises
        ------
        ConfigError
            Where they contradict each other, saying how to see what the preset sets.
        """
        without += tuple(SUPERSEDED[key] for key in overrides if key in SUPERSEDED)
        own = {key: value for key, value in self.settings.items() if key not in without}
        try:
            return Config.parse({**own, **overrides}, source=f"preset {self.name}")
        except ConfigError as error:
            if not overrides:
                raise
            given = ", ".join(f"{key}={value}" for key, value in overrides.items())
            raise ConfigError(
                f"{error} (with {given}); `gpuae presets {self.name}` shows what the preset sets"
            ) from None


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets: those of purposes, then the recipes of published systems."""
    files = (entry.name for entry in resources.files(__package__).iterdir())
    names = sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))
    return (*PURPOSES, *(name for name in names if name not in PURPOSES))


def _unknown(name: str) -> str:
    names = preset_names()
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    close = close or [known for known in names if name and name in known]
    if close:
        return f"preset: there is no {name!r}; did you mean {' or '.join(close)}?"
    return f"preset: there is no {name!r}; there are {', '.join(names)}"
