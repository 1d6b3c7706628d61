"""Whether a file of gpuae's has all that docs/format.md asks of its kind."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.content_hash import canonical
from gpuae.storage.file_format import Attribute, RowsOfKind
from gpuae.storage.hdf5 import reading
from gpuae.storage.hdf5.nodes import Dataset, File
from gpuae.storage.kinds import compressed_file, model_file
from gpuae.storage.kinds.row_metadata import read_image_shape
from gpuae.storage.provenance import lineage
from gpuae.storage.rows import row_types

_HASH = re.compile(r"[0-9a-f]{64}")
_Check = Callable[[Any], bool]


def _at_least(lowest: int) -> _Check:
    return lambda value: type(value) is int and value >= lowest


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and -math.inf < value <= 1


_ATTRIBUTES: Mapping[str, tuple[_Check, str]] = MappingProxyType(
    {
        "created_by": (lambda value: isinstance(value, str), "a text"),
        "device": (lambda value: isinstance(value, str), "a text"),
        "gpu": (lambda value: isinstance(value, str), "a text"),
        "seed": (
            lambda value: type(value) is int and 0 <= value < 1 << 64,
            "an integer from 0 to 2⁶⁴ − 1",
        ),
        "best_epoch": (_at_least(0), "an integer from 0"),
        "layer": (_at_least(1), "an integer from 1"),
        "held_out_rows": (_at_least(1), "an integer from 1"),
        "held_out_error": (_is_number, "a number from 0"),
        "held_out_beyond": (_is_number, "a number from 0"),
        "held_out_explained_variance": (_is_share, "a number up to 1"),
        "held_out_pca_explained_variance": (_is_share, "a number up to 1"),
        **dict.fromkeys(
            ("source_sha256", "model_sha256", file_format.CONTENT_SHA256),
            (lambda value: bool(_HASH.fullmatch(str(value))), "64 hexadecimal digits"),
        ),
    }
)


def check_structure(file: File, attributes: Mapping[str, Attribute]) -> None:
    """Check the root attributes of a file, and that it has what its kind must have.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    kind = file_format.kind_of(attributes)
    if kind is None or kind not in file_format.KINDS:
        known = tuple(file_format.KINDS)
        raise InputError(f"{file.path}: is of the kind {kind!r} where one of {known} is needed")
    file_format.minor_version(attributes, str(file.path))
    _check_attributes(file.path, attributes)
    rows = file_format.KINDS[kind]
    if rows is not None:
        _check_rows(file, rows)
        if kind == "scores":
            _check_judgements(file)
        if kind == "predictions":
            _check_predictions(file)
    elif kind == model_file.COMPRESSED:
        compressed_file.contents_of(file)
    else:
        model_file.contents_of(file, kind)


def _check_attributes(path: Path, attributes: Mapping[str, Attribute]) -> None:
    if "created_by" not in attributes:
        raise InputError(f"{path}: lacks the attribute created_by")
    for name, (fits, wanted) in _ATTRIBUTES.items():
        if name in attributes and not fits(attributes[name]):
            found = attributes[name]
            raise InputError(f"{path}: its attribute {name} is {found!r} where {wanted} is needed")
    for source in lineage.Record.of(attributes, str(path)).sources:
        name = file_format.HASH_OF_ROLE.get(source.role, "")
        if source.sha256 != attributes.get(name, source.sha256):
            raise InputError(f"{path}: {name} contradicts {file_format.PROVENANCE_JSON}")


def _check_rows(file: File, wanted: RowsOfKind) -> None:
    inner = wanted.path
    rows = reading.dataset_at(file, inner)
    source = rows.where
    dtype = row_types.stored_type(rows.dtype, source)
    if rows.ndim != wanted.dimensions or 0 in rows.shape:
        raise InputError(
            f"{source}: has shape {rows.shape} where {wanted.dimensions} lengths are needed"
        )
    if wanted.dtype is not None and dtype != wanted.dtype:
        raise InputError(f"{source}: is {dtype} where {wanted.dtype} is needed")
    folder = inner.rpartition("/")[0]
    for name in ("y", "row_id"):
        _check_one_each(file, f"{folder}/{name}", len(rows), numbers=True)
    if wanted.dimensions > 1:
        _check_one_each(file, f"{folder}/feature_names", rows.shape[1], numbers=False)
        _check_image(rows)


def _check_judgements(file: File) -> None:
    """Check what scores may have in addition to the error of each row."""
    count = reading.dataset_at(file, "/scores/error").shape[0]
    for name, dimensions in (("outlier", 1), ("p_value", 1), ("contributions", 2)):
        inner = f"/scores/{name}"
        if file.find(inner) is None:
            continue
        shape = reading.dataset_at(file, inner).shape
        if len(shape) != dimensions or shape[0] != count:
            raise InputError(
                f"{file.where(inner)}: has shape {shape} where one value"
                f"{' a column' if dimensions > 1 else ''} for each of {count} rows is needed"
            )


def _check_predictions(file: File) -> None:
    """Check that there is a label, and a probability of each row, for each class."""
    rows = reading.dataset_at(file, "/predictions/class_index").shape[0]
    classes = reading.dataset_at(file, file_format.PREDICTED_CLASSES)
    found = reading.dataset_at(file, "/predictions/probability")
    source = found.where
    if classes.ndim != 1 or found.shape != (rows, len(classes)):
        raise InputError(
            f"{source}: has shape {found.shape} where one value for each of {rows} rows and of "
            f"the classes, of shape {classes.shape}, is needed"
        )
    if row_types.stored_type(found.dtype, source) != "float32":
        raise InputError(f"{source}: is {found.dtype} where float32 is needed")
    _check_indices(file, len(classes))


def _check_indices(file: File, classes: int) -> None:
    """Check that every row's class is one of those that are there."""
    inner = "/predictions/class_index"
    index = reading.required_array(file, inner)
    outside = (index < 0) | (index >= classes)
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"{file.where(inner)}: row {row + 1} is of class {index[row]} of {classes}"
        )


def _check_image(rows: Dataset) -> None:
    shape = read_image_shape(rows)
    if shape is not None and math.prod(shape) != rows.shape[1]:
        raise InputError(
            f"{rows.where}: {file_format.IMAGE_SHAPE} {shape} does not make {rows.shape[1]}"
        )


def _check_one_each(file: File, inner: str, count: int, *, numbers: bool) -> None:
    """Check that a dataset, if it is there, has one value a row or column; texts are read."""
    if file.find(inner) is None:
        return
    dataset = reading.dataset_at(file, inner)
    source = dataset.where
    if dataset.shape != (count,):
        raise InputError(f"{source}: has shape {dataset.shape} where {(count,)} is needed")
    text = canonical.type_name(dataset.dtype, source) == "text"
    if not text and not numbers:
        raise InputError(f"{source}: holds numbers where texts are needed")
    try:
        for _, cells in canonical.dataset_blocks(dataset) if text else ():
            bytes(canonical.as_bytes(cells)).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: holds text that is not UTF-8 ({error.reason})") from None
