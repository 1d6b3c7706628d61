"""The one door to HDF5 files that are read: nothing behind it can reach beyond the file.

A hostile or damaged file can name other files (external links, external storage, virtual
datasets), declare petabytes in a kilobyte, or inflate a thousandfold. Everything here refuses such
content before a byte of it is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5s

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile, check_readable
from gpuae.storage.hdf5 import filters, heaps

Item: TypeAlias = h5py.Group | h5py.Dataset

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SMALLEST_USER_BLOCK = 512
"""What comes before HDF5 in a file has this size, or twice that, and so on."""
MARKED_OPEN = "clear file consistency flags"
"""What HDF5 says of a file that somebody writes to for readers, or did not close."""
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
"""What h5py raised on thousands of mutated files; UnicodeDecodeError is a ValueError."""

MOST_NAMES = 10_000
"""In a group, or of attributes, of what has to be walked as a whole."""
_WAIT_SECONDS, _NAP_SECONDS = 1.0, 0.05


@contextmanager
def hdf5_errors(source: str) -> Iterator[None]:
    """Turn what h5py raises into an InputError; to be put around h5py's calls and nothing else."""
    try:
        yield
    except InputError:
        raise
    except BlockingIOError:
        raise InputError(
            f"{source}: another program is writing to it; try again when that has finished"
        ) from None
    except _HDF5_ERRORS as error:
        if MARKED_OPEN in str(error):
            raise InputError(
                f"{source}: is marked as open for writing; close the program that writes to it, or "
                f"if that ended without closing it, h5clear -s {source} takes the mark away"
            ) from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{source}: cannot be read, it is damaged or cut short ({reason}); "
            "copy it or make it again"
        ) from None


def is_hdf5(file: InputFile) -> bool:
    """Whether a file has the mark of HDF5 where it may be: at its beginning, or after a block."""
    place = 0
    while place < file.size:
        if file.read(place, len(SIGNATURE)) == SIGNATURE:
            return True
        place = 2 * place or SMALLEST_USER_BLOCK
    return False


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    InputError
        For whatever cannot be opened as HDF5, with the reason.
    """
    check_readable(path)
    with hdf5_errors(str(path)):
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: is not an HDF5 file; give one that is")
        if heaps.has_endless_heap(path):
            raise InputError(
                f"{path}: is damaged where it keeps its strings; copy it or make it again"
            )
        file = _open(path)
    try:
        yield file
    finally:
        with hdf5_errors(str(path)):
            file.close()


def _open(path: Path) -> h5py.File:
    """Open a file, waiting a little for one whose writer has just put it in place and lets it go.

    Raises
    ------
    BlockingIOError
        When somebody goes on writing to it.
    """
    for _ in range(round(_WAIT_SECONDS / _NAP_SECONDS)):
        with suppress(BlockingIOError):
            return h5py.File(path, "r", locking="best-effort")
        time.sleep(_NAP_SECONDS)
    return h5py.File(path, "r", locking="best-effort")


def find(file: h5py.File, inner: str) -> Item | None:
    """Return the group or dataset at `inner`; None where a component is missing.

    Raises
    ------
    InputError
        When a component is a soft or external link, or something unreadable.
    """
    found: Item | None = file
    walked = ""
    for name in (part for part in inner.split("/") if part not in ("", ".")):
        if not isinstance(found, h5py.Group):
            return None
        walked = f"{walked}/{name}"
        found = child(found, name, name_of(file, walked))
        if found is None:
            return None
    return found


def names_in(owner: h5py.Group | h5py.AttributeManager, source: str) -> list[str]:
    """Return the names in a group, or of attributes, in their order.

    h5py gives names that are not UTF-8 as bytes; they are left out: nobody could type them.

    Raises
    ------
    InputError
        When there are more than anything that is read here has.
    """
    with hdf5_errors(source):
        if len(owner) > MOST_NAMES:
            raise InputError(
                f"{source}: has {len(owner)} names in it where at most {MOST_NAMES} can be; "
                "make the file again"
            )
        return [name for name in owner if isinstance(name, str)]


def has(group: h5py.Group, name: str, source: str) -> bool:
    """Whether there is such a name in a group."""
    with hdf5_errors(source):
        return bool(group.id.links.exists(name.encode()))


def child(group: h5py.Group, name: str, source: str) -> Item | None:
    """Return what the hard link `name` of `group` leads to; None where there is none."""
    with hdf5_errors(source):
        encoded = name.encode("utf-8", "surrogateescape")
        if not group.id.links.exists(encoded):
            return None
        if group.id.links.get_info(encoded).type == h5l.TYPE_HARD:
            item: Item = group[name]
            return item
    raise InputError(
        f"{source}: is a soft or external link, which is not followed; "
        "give the path that it points to, or copy the data into this file"
    )


def check_dataset(dataset: h5py.Dataset, source: str) -> None:
    """Refuse a dataset that reaches beyond its file or is larger than the file can tell.

    Raises
    ------
    InputError
        With the property that is not accepted.
    """
    with hdf5_errors(source):
        problem = _outside_storage(dataset) or _implausible_size(dataset)
    if problem:
        raise InputError(f"{source}: {problem}")


def _outside_storage(dataset: h5py.Dataset) -> str | None:
    creation = dataset.id.get_create_plist()
    if creation.get_layout() == h5d.VIRTUAL or creation.get_external_count():
        return "keeps its values in other files; copy them into this one"
    if dataset.id.get_space().get_simple_extent_type() == h5s.NULL:
        return "holds nothing; give a dataset with rows and columns"
    return filters.problem(dataset)


def _implausible_size(dataset: h5py.Dataset) -> str | None:
    declared = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    stored = dataset.id.get_storage_size()
    if declared == 0:
        return None
    if stored == 0:
        return "was declared but its values were never written; make the file again"
    if dataset.chunks is None:
        return _beyond_file(dataset, declared, stored)
    allowed = limits.current()
    if declared > allowed.free_bytes and declared > allowed.inflation * stored:
        return (
            f"declares {declared} bytes and stores {stored}, over {allowed.inflation} times less; "
            f"{limits.ADVICE}"
        )
    if filters.chunk_bytes(dataset) > allowed.chunk_bytes:
        return (
            f"has chunks larger than {allowed.chunk_bytes >> 20} MiB; write it with smaller ones, "
            f"or {limits.ADVICE}"
        )
    return None


def _beyond_file(dataset: h5py.Dataset, declared: int, stored: int) -> str | None:
    """Check a contiguous or compact dataset, whose values must lie in the file as they are."""
    offset = dataset.id.get_offset() or 0
    if stored < declared or offset + declared > Path(dataset.file.filename).stat().st_size:
        return f"declares {declared} bytes, more than the file holds; copy it or make it again"
    return None


def value_type(dataset: h5py.Dataset | h5a.AttrID, source: str) -> np.dtype[Any]:
    """Return NumPy's type of the values of a dataset or attribute.

    Raises
    ------
    InputError
        For a type that NumPy does not have.
    """
    with hdf5_errors(source):
        try:
            dtype: np.dtype[Any] = dataset.dtype
        except TypeError:
            raise InputError(
                f"{source}: is of a type that NumPy does not know; convert it"
            ) from None
    return dtype


def name_of(file: h5py.File, inner: str) -> str:
    """Return what messages call the object at `inner`, and what opens it as DATA."""
    return f"{file.filename}::/{inner.strip('/')}"
