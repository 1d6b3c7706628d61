"""What lies in a Zarr folder or zip archive, by name, before the package zarr opens any of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from gpuae.errors import InputError
from gpuae.importers.npy import numpy_errors
from gpuae.storage.files import limits, zipped
from gpuae.storage.files.folder_file import FolderFile
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.spooled_file import SpooledFile

EXTRA = "pip install 'gpuae[zarr]'"
MARKS = ("zarr.json", ".zarray", ".zgroup")
"""Files that describe an array or a group, in version 3, and in version 2 each."""
MOST_DESCRIBED = 10_000
"""Arrays and groups that are looked at."""


def is_store(path: Path) -> bool:
    """Whether a folder is one of Zarr's."""
    return any((path / mark).is_file() for mark in MARKS)


def is_packed(members: list[str]) -> bool:
    """Whether a zip archive with these members is one of Zarr's."""
    return any(member.rpartition("/")[2] in MARKS for member in members)


class ZipArchive:
    """A zip archive in which each file of a Zarr folder is a member.

    Raises
    ------
    InputError
        When it is damaged, is no file of a folder, or is far larger when it is unpacked.
    """

    def __init__(self, file: InputFile) -> None:
        if isinstance(file, SpooledFile):
            raise InputError(f"{file}: Zarr cannot be read through a pipe; give the file")
        self.path, self._file = file.path, file
        with numpy_errors(str(file)), zipfile.ZipFile(file.stream()) as archive:
            infos = archive.infolist()
            for info in infos:
                zipped.check_packing(info)
        self.sizes = {info.filename: info.file_size for info in infos if not info.is_dir()}
        declared, allowed = sum(self.sizes.values()), limits.current()
        if declared > max(allowed.free_bytes, allowed.inflation * file.size):
            raise InputError(
                f"{file}: declares {declared} bytes in an archive of {file.size}, over "
                f"{allowed.inflation} times less; {limits.ADVICE}"
            )

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes:
        """Return all of one member, which is small."""
        with numpy_errors(str(self)), zipfile.ZipFile(self._file.stream()) as archive:
            return zipped.content_of(archive, name)


Store: TypeAlias = FolderFile | ZipArchive


def description(store: Store, name: str) -> dict[str, Any]:
    """Return the object in a file of JSON; an empty one where there is no such file.

    Raises
    ------
    InputError
        When it is none, or larger than any description.
    """
    size = store.sizes.get(name)
    if size is None:
        return {}
    if size > limits.current().description_bytes:
        raise InputError(f"{store}: its {name} is of {size} bytes; {limits.ADVICE}")
    try:
        found = json.loads(store.read(name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{store}: its {name} is no JSON ({error}); make it again") from None
    if not isinstance(found, dict):
        raise InputError(f"{store}: its {name} is no JSON object; make it again")
    return found


def attributes(store: Store, path: str) -> Mapping[str, Any]:
    """Return the attributes of an array or group, in either version."""
    newer = description(store, joined(path, "zarr.json")).get("attributes")
    return newer if isinstance(newer, dict) else description(store, joined(path, ".zattrs"))


def paths(store: Store) -> list[str]:
    """Return where arrays and groups are, the root as an empty text."""
    found = [name.rpartition("/")[0] for name in store.sizes if name.rpartition("/")[2] in MARKS]
    return list(dict.fromkeys(found))[:MOST_DESCRIBED]


def joined(path: str, name: str) -> str:
    """Return the name of something in a group."""
    return f"{path}/{name}" if path else name


def check_installed(path: Path) -> None:
    """Refuse Zarr where the package is missing."""
    if find_spec("zarr") is None:
        raise InputError(f"{path}: Zarr needs the package zarr; install it: {EXTRA}")
