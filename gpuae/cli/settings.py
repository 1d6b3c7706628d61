"""Every setting as an option of the command line, under its own name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from gpuae.cli.base import PATH
from gpuae.cli.completions import choices, presets
from gpuae.config import BY_LAYER, Config, Settings, read_toml

F = TypeVar("F", bound=Callable[..., Any])


def setting_options(function: F) -> F:
    """Add an option for each setting of an autoencoder, --config and --preset.

    The command gets `config_path`, `preset` and all others.
    """
    return click.option(
        "--preset",
        metavar="NAME",
        shell_complete=presets,
        help="Preset of settings to start from; `gpuae presets` lists them.",
    )(options_of(Config)(function))


def options_of(settings: type[Settings]) -> Callable[[F], F]:
    """Return what adds an option for each of these settings, and --config."""

    def add(function: F) -> F:
        for name, field in reversed(settings.model_fields.items()):
            function = click.option(
                "--" + name.replace("_", "-"),
                name,
                metavar=_metavar(name, field),
                help=_help(field),
                default=None,
                shell_complete=choices(_choices(field.annotation)),
            )(function)
        return click.option(
            "--config", "config_path", type=PATH, metavar="FILE", help="TOML file of settings."
        )(function)

    return add


def read_settings(
    config_path: Path | None,
    settings: dict[str, str | None],
    preset: str | None = None,
    without: tuple[str, ...] = (),
) -> Config:
    """Put a preset, the file's settings and the given options together; the later ones win.

    `without` are settings of the preset that do not count.
    """
    from gpuae.storage.files.input_file import check_plain

    if config_path is not None:
        check_plain(config_path)
    given = {name: value for name, value in settings.items() if value is not None}
    if preset is not None:
        from gpuae.presets import Preset

        overrides = {**(read_toml(config_path) if config_path else {}), **given}
        return Preset.named(preset).config(overrides, without)
    if config_path is not None:
        return Config.from_toml(config_path, given)
    return Config.parse(given, source="options")


def _choices(annotation: Any) -> list[str]:
    """Return the literal values that an annotation allows, each once, in their order."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    values = [value for part in get_args(annotation) for value in _choices(part)]
    return list(dict.fromkeys(values))


def _metavar(name: str, field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    if choices:
        return "[" + "|".join(choices) + "]"
    if name == "hidden":
        return "N[,N...]"
    kinds: dict[Any, str] = {int: "N", float: "X"}
    kind = kinds.get(_first_type(field.annotation), "TEXT")
    return f"{kind}[,{kind}...]" if name in BY_LAYER else kind


def _first_type(annotation: Any) -> Any:
    """Return the first of the types that an annotation allows, without what restricts it."""
    parts = get_args(annotation)
    return _first_type(parts[0]) if parts else annotation


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    if field.default is None or text.endswith("]"):
        return text
    return (
        f"{text} [{field.default:g}]"
        if isinstance(field.default, float)
        else (f"{text} [{field.default}]")
    )
