"""What the Tab key offers for values: files by their endings, choices, presets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
MODELS = (".h5", ".hdf5")


def files(*endings: str) -> Completion:
    """Return what completes names of files, if there are any only those with such endings.

    Where folders may be meant, too, the shell completes all names by itself: it alone writes no
    space after a folder.
    """

    def complete(
        ctx: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        folder, slash, begin = incomplete.rpartition("/")
        found = _entries(Path(folder + slash), begin) if endings else []
        fitting = [path for path in found if path.name.lower().endswith(endings)]
        if not fitting or any(path.is_dir() for path in found):
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(folder + slash + path.name) for path in fitting]

    return complete


def _entries(folder: Path, begin: str) -> list[Path]:
    """Return what is in a folder under names that begin so; nothing where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(begin))
    except OSError:
        return []


def choices(values: Iterable[str]) -> Completion:
    """Return what completes one of these values, of several with commas the last one."""
    known = tuple(values)
    return lambda ctx, parameter, incomplete: beginning(known, incomplete)


def beginning(values: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the values that begin with what was typed, after its last comma."""
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + own) for own in values if own.startswith(last)]


def presets(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a preset."""
    folder = Path(__file__).parents[1] / "presets"
    return beginning(sorted(path.stem for path in folder.glob("*.toml")), incomplete)
