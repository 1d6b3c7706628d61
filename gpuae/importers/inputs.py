"""Which files a person means by DATA: one, several, those in a folder, what is piped in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers import digits, globs, named_files, sound, standard_input, zarr_store
from gpuae.importers.detect import data_ending, split_spec
from gpuae.importers.images import CUT
from gpuae.importers.named_files import NamedFiles, has_ending
from gpuae.storage.files import open_files
from gpuae.storage.files.folder_file import FolderFile
from gpuae.storage.files.input_file import Input, InputFile
from gpuae.storage.files.locked_file import real_path
from gpuae.storage.files.many_files import ManyFiles, Part, name_of

SEPARATOR = "\0"
"""Between the names of several files in one text: no name has it."""
HANDLES = 3
"""A file that is mapped is open twice, and another process may read it."""
Named = tuple[Path, str | None]
"""A file, and what in it is chosen."""


def joined(names: Sequence[str]) -> str:
    """Return the names of several files as one DATA."""
    return SEPARATOR.join(names)


def files_named(spec: str) -> list[Named]:
    """Return the files that DATA means, whether they are there or not; none where it is in none.

    Raises
    ------
    InputError
        When a pattern fits none, a folder holds files of several kinds, or a file is named twice.
    """
    if spec in (digits.NAME, standard_input.NAME):
        return []
    images = _images(spec)
    if images is not None:
        return [(path, None) for path in images.files]
    found = [own for name in spec.split(SEPARATOR) for own in _files(*split_spec(name))]
    _check_named_once(found)
    return found


def _images(spec: str) -> NamedFiles | None:
    """Return the images that DATA means where it may be several files; None where these are none.

    Several names are images where all of them are.
    """
    paths = [Path(name) for name in spec.split(SEPARATOR)]
    if len(paths) > 1:
        are_images = all(map(has_ending, paths)) and not any(map(globs.is_pattern, paths))
        return NamedFiles(Path(name_of(spec.split(SEPARATOR))), paths) if are_images else None
    path, inner = split_spec(spec)
    is_other = inner is not None or zarr_store.is_store(path)
    return None if is_other else named_files.files_of(path)


def opened(spec: str) -> Input | None:
    """Open what DATA means; None for built-in data.

    Raises
    ------
    InputError
        As `files_named` says, and when a file is missing, empty, or not ours to read.
    """
    if spec == digits.NAME:
        return None
    if spec == standard_input.NAME:
        return standard_input.spooled()
    images = _images(spec)
    if images is not None:
        return images
    found = files_named(spec)
    if not _are_several(spec):
        return _one(found[0][0])
    open_files.allow(HANDLES * len(found))
    parts = [Part(_one(path), inner) for path, inner in found]
    return ManyFiles(Path(_together(spec, found)), parts)


def _are_several(spec: str) -> bool:
    """Whether DATA may be several files, whatever their number."""
    path = split_spec(spec)[0] if SEPARATOR not in spec else None
    return path is None or globs.is_pattern(path) or _is_folder(path)


def _is_folder(path: Path) -> bool:
    """Whether a path leads to a folder of files, rather than to one that is an array."""
    return path.is_dir() and not zarr_store.is_store(path)


def _one(path: Path) -> Input:
    return FolderFile(path) if zarr_store.is_store(path) else InputFile(path)


def _files(path: Path, inner: str | None) -> list[Named]:
    if globs.is_pattern(path):
        found = [own for own in globs.matches(path) if not _is_folder(own)]
        if not found:
            raise InputError(f"{path}: names folders only; give the files in them: '{path}/*'")
    else:
        found = _in_folder(path) if _is_folder(path) else [path]
    return [(own, inner) for own in found]


def _in_folder(folder: Path) -> list[Path]:
    """Return the data files of a folder that holds nothing else, and those of one kind only."""
    found = globs.visible(folder)
    if not found:
        raise InputError(f"{folder}: is a folder without files, it is empty; give another one")
    kinds = {None if own.is_dir() else data_ending(own.name) for own in found}
    if len(kinds) != 1 or None in kinds:
        if all(has_ending(own, sound.ENDINGS) for own in found):
            raise InputError(f"{folder}: holds recordings; {sound.CUT.format(folder)}")
        raise InputError(
            f"{folder}: is a folder without images and not of data files of one kind; give a file "
            f"in it, or cut its images {CUT.format(folder)}, or name several files by a pattern "
            f"in quotes: '{folder}/*.csv'"
        )
    return found


def _check_named_once(found: Sequence[Named]) -> None:
    counts = Counter((real_path(path), inner) for path, inner in found)
    twice = next((own for own, count in counts.items() if count > 1), None)
    if twice is not None:
        path = next(path for path, inner in found if (real_path(path), inner) == twice)
        raise InputError(f"{path}: is named twice; give each file once")


def _together(spec: str, found: Sequence[Named]) -> str:
    """Return what messages call several files."""
    names = spec.split(SEPARATOR)
    alone = len(names) == 1
    return str(split_spec(spec)[0]) if alone else name_of([str(path) for path, _ in found])
