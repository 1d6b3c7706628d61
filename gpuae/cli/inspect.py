"""gpuae inspect: what is in this file?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import (
    PATH,
    declare,
    json_option,
    print_json,
    trust_options,
)
from gpuae.cli.tables import print_table
from gpuae.printable import printable

if TYPE_CHECKING:
    from gpuae.storage.provenance.summary import Summary

SHOWN_CHARACTERS = 1000
"""Of an attribute; --json gives all of it."""


@declare
@click.argument("file", type=PATH)
@json_option
@trust_options
def command(file: Path, as_json: bool) -> None:
    """Show what FILE holds: its kind, how it was made and from what, its settings and its datasets.

    FILE is any HDF5 file; the paths shown can be given as DATA in the form FILE::/path.

    \b
    Example:
      gpuae inspect model.h5
    """
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.provenance.summary import summarise

    summary = summarise(InputFile(file))
    if as_json:
        made = summary.provenance
        chain = {
            "provenance": made.model_dump(mode="json", exclude_defaults=True) if made else None
        }
        print_json({"file": str(file), **asdict(summary), **chain})
        return
    kind = f"a gpuae {summary.kind} file" if summary.kind else "an HDF5 file that is not gpuae's"
    print_table(f"{file}: {kind}", _rows(summary))
    made = summary.provenance
    if made is not None and made.command:
        made_by = (f" made by {made.heading()}", *made.source_lines(1))
        click.echo(printable("\n".join(made_by)))


def _rows(summary: Summary) -> list[tuple[str, str]]:
    hidden = ("format", "kind")
    rows = [
        (name, _shortened(str(value)))
        for name, value in summary.attributes.items()
        if name not in hidden
    ]
    if summary.config:
        settings = (f"{name}={_plain(value)}" for name, value in summary.config.items())
        rows.append(("settings", " ".join(settings)))
    if summary.history.get("epoch"):
        rows.append(("history", _history(summary.history)))
    for entry in summary.datasets:
        if not entry.path.startswith("/train/history/"):
            size = " × ".join(str(length) for length in entry.shape) or "scalar"
            rows.append((entry.path, f"{size}  {entry.dtype}"))
    if summary.cut:
        rows.append(("…", "and more: it holds too many groups and datasets to list"))
    return rows


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _plain(value: object) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _history(history: dict[str, list[float]]) -> str:
    losses = (f"{name} {history[name][-1]:.6g}" for name in ("loss", "val_loss") if name in history)
    return f"{len(history['epoch'])} epochs, at the end {', '.join(losses)}"
