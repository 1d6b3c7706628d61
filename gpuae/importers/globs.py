"""Names that stand for several files: patterns such as `shards/*.npy`, and folders."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from gpuae.errors import InputError

_PATTERN = re.compile(r"[*?\[]")
_DIGITS = re.compile(r"([0-9]+)")


def is_pattern(path: Path) -> bool:
    """Whether a name stands for others: a file of that very name comes first."""
    return bool(_PATTERN.search(str(path))) and not os.path.lexists(path)


def matches(pattern: Path) -> list[Path]:
    """Return the files that a pattern of the shell's kind names, in natural order.

    `**` stands for any folders, one in another. Hidden files and folders are left out.

    Raises
    ------
    InputError
        When there are none.
    """
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 Path's would name hidden files
    found = in_natural_order(map(Path, names))
    if not found:
        raise InputError(f"{pattern}: no file has such a name; check the pattern and its folder")
    return found


def visible(folder: Path) -> list[Path]:
    """Return what lies in a folder and is not hidden, in natural order.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from None
    return in_natural_order(path for path in found if not path.name.startswith("."))


def unreadable(folder: Path | str, error: OSError) -> InputError:
    """Return the error of a folder that the system does not let this user look into."""
    return InputError(f"{folder}: cannot be read ({error.strerror}); ask its owner")


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """Return paths in the order of their names, in which numbers count: `a10` follows `a9`."""
    return sorted(paths, key=_natural)


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    return [_parts(name) for name in path.parts], str(path)


def _parts(name: str) -> list[str | int]:
    """Return text and numbers of a name in turn, beginning with text, which may be empty."""
    pieces = _DIGITS.split(name)
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)]
