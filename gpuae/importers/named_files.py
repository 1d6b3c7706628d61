"""Files of one kind as one input: those in a folder, in its subfolders, or that a pattern names."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from gpuae.errors import InputError
from gpuae.importers import globs
from gpuae.importers.pillow import ENDINGS
from gpuae.storage.files.input_file import sha256, version_at
from gpuae.storage.files.many_files import digest_of_list

MOST_FILES = 10_000_000
"""That are looked at in subfolders; who has more has to choose."""


def has_ending(path: Path, endings: Collection[str] = ENDINGS) -> bool:
    """Whether the name of a file ends in one of these ways: as images' do, unless others are."""
    return path.suffix.lower() in endings


def files_of(path: Path, endings: Collection[str] = ENDINGS) -> NamedFiles | None:
    """Return the images that a folder holds or a pattern names; None where these are others.

    Parameters
    ----------
    endings
        Of other files, in place of images'.

    Raises
    ------
    InputError
        When a pattern names nothing, or a folder cannot be read.
    """
    found = files_in(path, endings) if path.is_dir() else []
    if globs.is_pattern(path):
        named = globs.matches(path)
        found = named if all(has_ending(own, endings) for own in named) else []
    return NamedFiles(path, found) if found else None


def files_in(folder: Path, endings: Collection[str]) -> list[Path]:
    """Return files in a folder by their endings, or where it has none itself, in its subfolders.

    Hidden files and folders, and folders that are links, are left out.

    Raises
    ------
    InputError
        When the folder cannot be read.
    """
    visible = (path for path in globs.visible(folder) if has_ending(path, endings))
    found = [path for path in visible if path.is_file()]
    return found or globs.in_natural_order(_below(folder, endings))


def _below(folder: Path, endings: Collection[str]) -> Iterable[Path]:
    looked_at = 0
    for own, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        looked_at += len(names)
        if looked_at > MOST_FILES:
            raise InputError(f"{folder}: holds over {MOST_FILES} files; give a folder in it")
        paths = (Path(own, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if has_ending(path, endings))


def _refuse(error: OSError) -> NoReturn:
    """Refuse a subfolder that cannot be read, whose files would be missing without a word."""
    raise globs.unreadable(error.filename, error)


class NamedFiles:
    """Files that are used as one input, such as images.

    Parameters
    ----------
    path
        Of the folder, or the pattern that names them.
    files
        As they are before any of them is read, in the order of the rows.

    Attributes
    ----------
    names
        Of the files, below the folder that holds them all.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path, self.files = path, tuple(files)
        base = path if path.is_dir() else Path(os.path.commonpath([own.parent for own in files]))
        self.names = tuple(own.relative_to(base).as_posix() for own in files)
        self._versions = [version_at(own) for own in files]

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Of the folder, or the pattern."""
        return self.path.resolve().name

    @property
    def size(self) -> int:
        """Of all together, in bytes."""
        return sum(own.stat().st_size for own in self.files)

    @property
    def sha256(self) -> str:
        """Of their list as `sha256sum` writes it, a line each, in the order of the rows."""
        named = zip(self.files, self.names, strict=True)
        return digest_of_list((sha256(own), name) for own, name in named)

    @property
    def changed(self) -> Path | None:
        """Which file is not what it was; None where all are."""
        pairs = zip(self.files, self._versions, strict=True)
        return next((own for own, version in pairs if version != version_at(own)), None)

    @property
    def others(self) -> int:
        """How many entries of the folder are none of the files, if these lie in it directly."""
        if not self.path.is_dir() or any("/" in name for name in self.names):
            return 0
        return len(globs.visible(self.path)) - len(self.files)

    @property
    def folders(self) -> tuple[str, ...] | None:
        """The subfolder of each file; None where they are not in at least two."""
        first = tuple(name.split("/")[0] for name in self.names)
        are_folders = all("/" in name for name in self.names)
        return first if are_folders and len(set(first)) > 1 else None
