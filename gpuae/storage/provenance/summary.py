"""What an HDF5 file holds, for a person who looks at it: gpuae's own or anyone's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.file_format import Attribute
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import listing, opening, reading
from gpuae.storage.hdf5.nodes import File
from gpuae.storage.provenance.lineage import Record

_SHOWN_APART = (file_format.CONFIG_JSON, file_format.PROVENANCE_JSON)


@dataclass(frozen=True)
class Entry:
    """One dataset."""

    path: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Summary:
    """A file's kind (None if it is not gpuae's), its settings, what made it, and its datasets."""

    kind: str | None
    attributes: dict[str, Attribute]
    config: dict[str, Any]
    provenance: Record | None
    datasets: list[Entry]
    history: dict[str, list[float]]
    cut: bool
    """Whether there are more groups and datasets than were looked at."""


def summarise(input_file: InputFile) -> Summary:
    """Look into an HDF5 file.

    Raises
    ------
    InputError
        When it cannot be read, or comes from a later major version of gpuae.
    """
    with opening.opened(input_file) as file:
        attributes = reading.root_attributes(file)
        kind = file_format.kind_of(attributes)
        if kind is not None:
            file_format.minor_version(attributes, str(file.path))
        seen: set[int] = set()
        return Summary(
            kind=kind,
            attributes={k: v for k, v in attributes.items() if k not in _SHOWN_APART},
            config=_config(attributes, file.path),
            provenance=Record.of(attributes, str(file.path)) if kind is not None else None,
            datasets=list(_entries(file, seen)),
            cut=len(seen) > listing.MOST_OBJECTS,
            history=_history(file) if kind == "model" else {},
        )


def _config(attributes: dict[str, Attribute], path: Path) -> dict[str, Any]:
    try:
        config = json.loads(str(attributes.get(file_format.CONFIG_JSON, "{}")))
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits
        raise InputError(f"{path}: its attribute config_json is not JSON ({error})") from None
    return config if isinstance(config, dict) else {}


def _entries(file: File, seen: set[int]) -> Iterator[Entry]:
    for dataset in listing.datasets(file, seen):
        kind = "text" if dataset.type.is_text else dataset.type.shown or str(dataset.dtype)
        yield Entry(dataset.path, dataset.shape, kind)


def _history(file: File) -> dict[str, list[float]]:
    names = ("epoch", "loss", "val_loss")
    found = {name: reading.optional_array(file, f"/train/history/{name}") for name in names}
    return {name: values.tolist() for name, values in found.items() if values is not None}
