"""gpuae presets: which sets of settings there are, and what they set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpuae.cli.base import declare, json_option, print_json
from gpuae.cli.completions import presets
from gpuae.cli.tables import print_table

if TYPE_CHECKING:
    from gpuae.presets import Preset


@declare
@click.argument("name", required=False, shell_complete=presets)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the presets that `fit --preset` knows, or print the settings of preset NAME as TOML.

    \b
    Example:
      gpuae presets keras-deep > run.toml
    """
    from gpuae.presets import Preset, preset_names

    if name is not None:
        preset = Preset.named(name)
        if as_json:
            print_json(_plain(preset))
        else:
            click.echo(preset.text, nl=False)
        return
    known = [Preset.named(own) for own in preset_names()]
    if as_json:
        print_json([_plain(preset) for preset in known])
    else:
        print_table("presets", [(preset.name, preset.purpose) for preset in known])


def _plain(preset: Preset) -> dict[str, object]:
    return {"name": preset.name, "purpose": preset.purpose, "settings": dict(preset.settings)}
