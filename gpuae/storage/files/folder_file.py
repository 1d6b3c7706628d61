"""A folder whose files are one input, whatever is in them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gpuae.errors import InputError
from gpuae.storage.files.input_file import Version, sha256, version_at
from gpuae.storage.files.many_files import digest_of_list


class FolderFile:
    """A folder with all files in it, at any depth.

    Attributes
    ----------
    sizes
        Bytes of each file, by its path from the folder on, in the order of these.

    Raises
    ------
    InputError
        When it cannot be read, or leads elsewhere by a link.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes: dict[str, int] = {}
        self._versions: dict[str, Version | None] = {}
        for name in sorted(_names(path)):
            version = version_at(path / name)
            self._versions[name] = version
            self.sizes[name] = 0 if version is None else version[2]

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.path.resolve().name

    @property
    def size(self) -> int:
        """Of all files together, in bytes."""
        return sum(self.sizes.values())

    @property
    def sha256(self) -> str:
        """Of their list as `sha256sum` writes it, a line each, in the order of their names."""
        nothing = hashlib.sha256().hexdigest()
        return digest_of_list(
            (sha256(self.path / name) if size else nothing, name)
            for name, size in self.sizes.items()
        )

    @property
    def changed(self) -> Path | None:
        """Which file is not what it was; None where all are."""
        paths = ((self.path / name, version) for name, version in self._versions.items())
        return next((path for path, version in paths if version_at(path) != version), None)

    def read(self, name: str) -> bytes:
        """Return all of one file, which is small.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise InputError(
                f"{self.path / name}: cannot be read ({error.strerror}); copy it again"
            ) from None


def _names(folder: Path) -> list[str]:
    """Return the files in a folder and in those in it; links and what is no plain file refused."""
    found: list[str] = []
    waiting = [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be read ({error.strerror}); ask its owner"
            ) from None
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path).relative_to(folder).as_posix())
            else:
                raise InputError(
                    f"{entry.path}: leads elsewhere or is no plain file, which is not followed in "
                    "a folder that is read as one; copy what it leads to"
                )
    return found
