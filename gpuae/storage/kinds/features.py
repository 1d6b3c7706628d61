"""What a model makes of rows: features, scores and rows in the data's own units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.storage import file_format
from gpuae.storage.file_format import Attribute
from gpuae.storage.files.input_file import InputFile, check_readable, sha256
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.kinds.rows_output import NOTHING, Output, numbered, rows_output
from gpuae.storage.outputs.table_output import is_table
from gpuae.storage.rows.metadata import RowMetadata

_LARGE_DATASET = {
    **file_format.ROWS_OF_KIND,
    "scores": "/scores/error",
    "predictions": "/predictions/class_index",
}
"""Path of what each kind of output mainly holds."""


def features_output(
    path: Path,
    shape: tuple[int, int],
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    prefix: str = "code",
    attributes: Mapping[str, Attribute],
    resume: bool | None = None,
) -> Output:
    """Return the output for codes of `shape` (n, k), stored as float32 under /features/code.

    Parameters
    ----------
    prefix
        What the columns are called in a table, before their number from 0.
    y, row_id
        Labels and identifiers (n,) of the rows, where the data had them.
    attributes
        Root attributes beside the standard ones.
    resume
        Whether to go on with one that was interrupted; None: leave nothing to go on with.
    """
    beside = RowMetadata(y, row_id)
    names = numbered(prefix, shape[1])
    return _output(
        path,
        "features",
        shape,
        "float32",
        names,
        beside,
        force=force,
        attributes=attributes,
        resume=resume,
    )


def scores_output(
    path: Path,
    rows: int,
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    attributes: Mapping[str, Attribute],
    dtype: np.dtype[Any] | None = None,
) -> Output:
    """Return the output for one error a row, stored as float64 (n,) under /scores/error.

    In a table the rows are numbered from 1 where nothing else identifies them, so that it can be
    sorted. With `dtype` rows have fields, `error` first, and each is stored under its name.
    """
    if row_id is None and is_table(path):
        row_id = np.arange(1, rows + 1)
    return _output(
        path,
        "scores",
        (rows,),
        "float64" if dtype is None else dtype,
        ("error",) if dtype is None else dtype.names or (),
        RowMetadata(y, row_id),
        force=force,
        attributes=attributes,
    )


def predictions_output(
    path: Path,
    rows: int,
    classes: NDArray[Any],
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    attributes: Mapping[str, Attribute],
) -> Output:
    """Return the output for the probabilities of classes (c,), and the likeliest, of rows.

    HDF5 has /predictions/class_index, /predictions/probability (n, c), float32, and the labels of
    the classes, /predictions/classes; a table has `class`, the label, and a column `p_` of each
    label. Rows are written with the fields of `prediction_type`.
    """
    if row_id is None and is_table(path):
        row_id = np.arange(1, rows + 1)
    dtype = prediction_type(path, classes)
    text = classes.dtype.kind == "U"
    inner = file_format.PREDICTED_CLASSES
    return _output(
        path,
        "predictions",
        (rows,),
        dtype,
        tuple(dtype.names or ()),
        RowMetadata(y, row_id),
        force=force,
        attributes=attributes,
        also={inner: file_format.text_cells(classes, inner) if text else classes},
    )


def prediction_type(path: Path, classes: NDArray[Any]) -> np.dtype[Any]:
    """Return the type of a row of predictions among classes (c,) in a file of this name."""
    if not is_table(path):
        return np.dtype([("class_index", "i8"), ("probability", "f4", (len(classes),))])
    return np.dtype(
        [("class", classes.dtype), *((f"p_{label}", "f4") for label in classes.tolist())]
    )


def dataset_output(
    path: Path,
    shape: tuple[int, int],
    dtype: DTypeLike,
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    feature_names: tuple[str, ...] | None = None,
    image_shape: tuple[int, ...] | None = None,
    attributes: Mapping[str, Attribute],
) -> Output:
    """Return the output for rows of `shape` (n, d), stored as `dtype` under /data/x."""
    beside = RowMetadata(y, row_id, feature_names, image_shape)
    names = feature_names or numbered("x", shape[1])
    return _output(path, "dataset", shape, dtype, names, beside, force=force, attributes=attributes)


def _output(
    path: Path,
    kind: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    names: tuple[str, ...],
    beside: RowMetadata,
    *,
    force: bool,
    attributes: Mapping[str, Attribute],
    resume: bool | None = None,
    also: Mapping[str, NDArray[Any]] = NOTHING,
) -> Output:
    return rows_output(
        path,
        kind,
        _LARGE_DATASET[kind],
        shape,
        dtype,
        names=names,
        beside=beside,
        force=force,
        attributes=attributes,
        resume=resume,
        also=also,
    )


def layer_of(path: Path) -> int | None:
    """Return which encoder layer a features file is of, counted from 1; None for other files."""
    layer = _attributes(path).get("layer")
    return layer if isinstance(layer, int) else None


def are_features_of(path: Path, model: Path) -> bool:
    """Whether a file holds features that this very model file has made.

    Raises
    ------
    InputError
        When one of them cannot be read.
    """
    check_readable(path)
    made = _attributes(path).get(file_format.HASH_OF_ROLE["model"])
    return made is not None and made == sha256(model)


def _attributes(path: Path) -> Mapping[str, Any]:
    """Return the root attributes of a features file; none of other files."""
    given = InputFile(path)
    if not opening.is_hdf5(given):
        return {}
    with opening.opened(given) as file:
        attributes = reading.root_attributes(file)
    return attributes if file_format.kind_of(attributes) == "features" else {}
