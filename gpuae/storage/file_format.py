"""Names and versions of the HDF5 format, and the root attributes that every file carries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import Any, TypeAlias

import h5py
import numpy as np

from gpuae.errors import InputError
from gpuae.storage.files import limits

FORMAT = "gpuae"
MAJOR, MINOR = 1, 0
FORMAT_VERSION = f"{MAJOR}.{MINOR}"
LIBVER = ("v108", "v110")
"""Readable by HDF5 1.8 and later; "latest" is not readable by 1.10."""


@dataclass(frozen=True)
class RowsOfKind:
    """Where a kind of file has what it says of each row."""

    path: str
    """Of the dataset that there always is."""
    dimensions: int
    dtype: str | None = None
    """None: any type of numbers."""
    is_data: bool = False
    """Whether they can serve as DATA."""


KINDS: Mapping[str, RowsOfKind | None] = MappingProxyType(
    {
        "dataset": RowsOfKind("/data/x", 2, is_data=True),
        "model": None,
        "classifier": None,
        "features": RowsOfKind("/features/code", 2, "float32", is_data=True),
        "scores": RowsOfKind("/scores/error", 1, "float64"),
        "predictions": RowsOfKind("/predictions/class_index", 1, "int64"),
        "checkpoint": None,
        "compressed": None,
    }
)
"""The kinds of files, and the rows that a kind has, if it has some by themselves."""
PREDICTED_CLASSES = "/predictions/classes"
IMAGE_SHAPE = "image_shape"
CONFIG_JSON = "config_json"
FINETUNE_JSON = "finetune_json"
PROVENANCE_JSON = "provenance_json"
CONTENT_SHA256 = "content_sha256"
HASH_OF_ROLE = MappingProxyType({"data": "source_sha256", "model": "model_sha256"})
"""Where a file has the hash of its source in an attribute of its own too."""
HASH_TO_COME = "0" * 64
"""The content hash of a file that is not complete."""
ATTRIBUTE_BYTES = 64 * 1024
"""Attributes of this many bytes and more are refused by HDF5's compact storage."""

Attribute: TypeAlias = str | int | float
NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})

STANDARD_ATTRIBUTES = ("format", "format_version", "kind", "created_by")


def created_by() -> str:
    """Return the program and its version, as the attribute `created_by` has it."""
    try:
        return f"gpuae {metadata.version('gpuae')}"
    except metadata.PackageNotFoundError:
        return "gpuae (not installed)"


def write_root(file: h5py.File, kind: str, attributes: Mapping[str, Attribute]) -> None:
    """Write the root attributes of a file of `kind`; the standard ones cannot be overridden.

    Raises
    ------
    RuntimeError
        For an attribute that the format cannot hold: a defect of the caller.
    """
    values = root_values(kind, attributes)
    for name in sorted(values):
        if len(str(values[name]).encode()) >= ATTRIBUTE_BYTES:
            raise RuntimeError(f"the attribute {name} must stay under {ATTRIBUTE_BYTES} bytes")
        file.attrs[name] = values[name]


def root_values(kind: str, attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Return all root attributes of a file of `kind`."""
    standard = (FORMAT, FORMAT_VERSION, kind, created_by())
    return {**attributes, **dict(zip(STANDARD_ATTRIBUTES, standard, strict=True))}


def rows_of(kind: str) -> RowsOfKind:
    """Return where a kind of file has its rows.

    Raises
    ------
    KeyError
        For a kind without any: a defect of the caller.
    """
    rows = KINDS[kind]
    if rows is None:
        raise KeyError(kind)
    return rows


def kind_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the kind of a gpuae file from its root attributes; None for anyone else's file."""
    if attributes.get("format") != FORMAT:
        return None
    return str(attributes.get("kind", "nameless"))


def minor_version(attributes: Mapping[str, Any], source: str) -> int:
    """Return the minor version of a gpuae file after having checked the major one.

    Raises
    ------
    InputError
        When the version cannot be read or belongs to a later gpuae.
    """
    version = str(attributes.get("format_version", ""))
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version)
    if match is None:
        raise InputError(
            f"{source}: has the format_version {version!r} where one like "
            f"{FORMAT_VERSION!r} is needed; make the file again with gpuae"
        )
    major, minor = (int(part) for part in match.groups())
    if major != MAJOR:
        raise InputError(
            f"{source}: has format version {version} and this gpuae reads {FORMAT_VERSION}; "
            "install the version of gpuae that made the file, or a later one"
        )
    return minor


def minor_is_newer(minor: int) -> bool:
    """Whether a file may hold names that this version does not know."""
    return minor > MINOR


def text_cells(values: Iterable[object], source: str) -> np.ndarray[Any, np.dtype[np.bytes_]]:
    """Return strings as fixed-length UTF-8 cells, which need no heap in the file.

    Raises
    ------
    InputError
        For a string that holds a NUL or half a surrogate pair, which HDF5 cannot hold.
    """
    strings = [str(value) for value in values]
    try:
        encoded = [string.encode() for string in strings]
    except UnicodeEncodeError as error:
        raise InputError(
            f"{source}: holds the text {error.object!r}, which is no Unicode"
        ) from None
    for string, cell in zip(strings, encoded, strict=True):
        if b"\0" in cell:
            raise InputError(f"{source}: holds the text {string!r}; remove its NUL character")
    longest = max((len(cell) for cell in encoded), default=0)
    limits.check_text(longest // 4, len(encoded), source)
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, longest)))
